"""Export a selection of shots for editing systems: EDL, OTIO, XML, tables, clips, sheets."""
