"""From a selection of shots to what an editing system imports: EDL, OTIO, XML, tables, clips, sheets."""
