// Written by `make format` from the OpenAPI document of the service: do not edit.

export type Alive = {
  status: "ok";
};

export type ChangedLabel = {
  label: string;
  shot_id: string;
  value: boolean;
  effect: "unused" | "longer" | "shorter";
  why: string;
};

export type CollectionAnswer = {
  collection_id: string;
  name: string;
  /** changes with each change; an editor sends the one that they opened */
  version: string;
  shots: number;
  created_by: string;
  created_at: string;
  changed_by: string;
  changed_at: string;
  /** the address of the poster of its first shot; null if it has none */
  poster: string | null;
  entries: CollectionItem[];
  history: CollectionChanged[];
  /** what was removed without an editor since one of them saved */
  notes: string[];
  /** shots of the request that were not taken, with the reason */
  set_aside: Refused[];
};

export type CollectionChangeBody = {
  /** `version` of the collection that was opened: 409 if it has changed since */
  version: string;
  name?: string | null;
  /** all shots, in their order */
  entries?: PickBody[] | null;
  /** not used with a named token: its name is stored */
  author?: string;
};

export type CollectionChanged = {
  action: "created" | "saved" | "renamed" | "forgotten" | "deleted";
  author: string;
  created_at: string;
  name: string;
  shots: number;
  note: string;
};

export type CollectionItem = {
  /** the shot of today; the stored id if it is missing */
  shot_id: string;
  /** the shot when it was added; two entries may be in one shot of today */
  stored_id: string;
  in_frame: number;
  out_frame: number;
  note: string;
  query: string | null;
  score: number | null;
  relevance: number | null;
  encoder_id: string | null;
  index_version: string | null;
  matched: string[];
  dialogue_version: string | null;
  line_ids: string[];
  added_by: string;
  added_at: string;
  /** why its shot is not in the catalogue; otherwise empty */
  missing_reason: string;
  /** its shot has other frames than when it was added; the range is kept */
  is_recut: boolean;
  /** null if it is missing */
  shot: Shot | null;
};

export type CollectionSummary = {
  collection_id: string;
  name: string;
  /** changes with each change; an editor sends the one that they opened */
  version: string;
  shots: number;
  created_by: string;
  created_at: string;
  changed_by: string;
  changed_at: string;
  /** the address of the poster of its first shot; null if it has none */
  poster: string | null;
};

export type CollectionsAnswer = {
  collections: CollectionSummary[];
  /** collections that cannot be read, with the reason */
  notes: string[];
};

export type ComparedPicture = {
  /** faces in the picture */
  faces: number;
  /** the face that was compared: the clearest, if none was chosen */
  used: number;
  /** the faces that are clear enough to be compared */
  usable: number[];
};

export type CorrectedAnswer = {
  video_id: string;
  corrections: Correction[];
  /** frames at which shots begin after the next ingest, and not now */
  to_cut: number[];
  /** frames at which shots begin now, and not after the next ingest */
  to_merge: number[];
  shots: number;
  /** version of the detector */
  detected_by: string;
  labels: ChangedLabel[];
};

export type Correction = {
  frame: number;
  action: "cut" | "no_cut" | "withdrawn";
  author: string;
  created_at: string;
  note: string;
  /** `waiting`: the next ingest applies it; `agrees`: the detector finds the same; `superseded`: a later one of the same frame counts */
  state: "applied" | "agrees" | "waiting" | "past_end" | "withdrawn" | "superseded";
};

export type CorrectionBody = {
  action: "cut" | "no_cut" | "withdrawn";
  /** source frame number */
  frame: number;
  /** not used with a named token: its name is stored */
  author?: string;
  /** why */
  note?: string;
};

export type CorrectionsAnswer = {
  video_id: string;
  corrections: Correction[];
  /** frames at which shots begin after the next ingest, and not now */
  to_cut: number[];
  /** frames at which shots begin now, and not after the next ingest */
  to_merge: number[];
  shots: number;
  /** version of the detector */
  detected_by: string;
};

export type Dialogue = {
  /** version of the index of lines */
  dialogue_version: string | null;
  read_at: string | null;
  /** of the whole film */
  sources: DialogueSource[];
};

export type DialogueCondition = {
  dialogue: string;
};

export type DialogueSource = {
  path: string;
  /** sidecar, embedded or asr */
  source: string;
  language: string;
  /** language with script and region; null until it is read again */
  language_tag: string | null;
  /** of the file; for a track, of the film; for speech, the model */
  content_hash: string;
  lines: number;
  reason: string | null;
};

export type ExportBody = {
  /** `markers` is a table of markers with Premiere's columns, `ale` is a shot log for Avid, `aaf` holds sequences for Avid, `zip` holds clips cut from the source, `sheet` is a picture of posters */
  format: "edl" | "otio" | "fcpxml" | "xmeml" | "markers" | "ale" | "aaf" | "csv" | "json" | "zip" | "sheet";
  title?: string;
  /** frames before and after each clip: a zip's clips are longer by them; a timeline keeps its ranges, notes them, and refers to the whole film, so that an editing system has any handles anyway */
  handles?: number;
  /** seconds before and after the lines that `search` finds in dialogue, of which the spoken range is exported and not whole shots; picks have their own marks */
  padding?: number;
  picks?: PickBody[];
  /** not run if there are picks */
  search?: SearchBody | null;
  /** id of a collection, whose shots are exported if there are no picks */
  collection?: string | null;
  /** any that no other export has: `GET /api/exports/{key}` reports the progress of this one */
  key?: string | null;
};

export type ExportFormatEntry = {
  /** as `format` of `POST /api/export` */
  format: string;
  label: string;
  suffix: string;
  media_type: string;
  /** the effect of handles in its files, in a sentence */
  handles_note: string;
  /** whether it refuses videos of several frame rates */
  has_one_rate: boolean;
};

export type ExportFormatsAnswer = {
  formats: ExportFormatEntry[];
};

export type ExportProgressAnswer = {
  /** false if no export has this key, or it has ended */
  running: boolean;
  /** clips, or posters of a sheet, that it is done with, in it or missing */
  done: number;
  /** of how many; 0 while it waits for its turn, and for formats that take no time */
  total: number;
};

export type FaceLike = {
  face_id: string;
  shot_id: string;
  show: string;
  /** source frame number */
  frame: number;
  /** null for a face without a person */
  person_id: string | null;
  /** Euclidean distance of unit vectors, 0 to 2: the same person is nearer */
  distance: number;
  /** near enough to be the same person */
  is_near: boolean;
};

export type FacesLikeAnswer = {
  faces: FaceLike[];
  /** null if a stored face was compared */
  picture?: ComparedPicture | null;
};

export type FeedsAnswer = {
  label: string;
  version: string;
  threshold: number | null;
  feeds: Record<string, OfferedShot[]>;
};

export type Figure = {
  value: number;
  low: number;
  high: number;
};

export type FilmAnswer = {
  video_id: string;
  corrections: Correction[];
  /** frames at which shots begin after the next ingest, and not now */
  to_cut: number[];
  /** frames at which shots begin now, and not after the next ingest */
  to_merge: number[];
  shots: number;
  /** version of the detector */
  detected_by: string;
  show: string;
  title: string;
  path: string;
  /** frames a second */
  fps: string;
  frames: number;
  start_timecode: string | null;
  has_audio: boolean | null;
  film_shots: FilmShot[];
};

export type FilmShot = {
  start_frame: number;
  end_frame: number;
  shot_id: string;
  start_s: number;
  end_s: number;
  start_timecode: string;
  /** how it begins: start, cut or gradual */
  transition: string;
  is_blank: boolean;
  /** the corrections that made the shot, such as `no_cut@489` */
  corrections: string[];
  /** an address of this service */
  poster: string;
  /** an address of this service */
  proxy: string;
};

export type FitBody = {
  /** without any, the label's own words */
  queries?: string[];
  description?: string;
};

export type FitState = {
  state: "off" | "idle" | "running" | "failed";
  since: string | null;
  /** the message of a failed fit; else empty */
  told: string;
};

export type FoundMatch = {
  shot_id: string;
  relevance: number;
  shot: Shot;
};

export type Health = {
  /** ok, empty (nothing was ingested yet), warming, or failed */
  status: string;
  encoder_id: string | null;
  index_version: string | null;
  shots: number;
};

export type Hit = {
  rank: number;
  /** cosine of query and pictures, also where only dialogue found the shot */
  score: number;
  /** calibrated per query; comparable between queries */
  relevance: number;
  shot_id: string;
  video_id: string;
  show: string;
  title: string;
  path: string;
  start_frame: number;
  end_frame: number;
  /** frames a second */
  fps: string;
  start_s: number;
  end_s: number;
  start_timecode: string;
  /** its still: an address of this service, or on the command line a storage URI */
  poster: string;
  /** its video: an address of this service, or on the command line a storage URI */
  proxy: string;
  matched: ("visual" | "dialogue" | "written")[];
  lines: HitLine[];
  /** writing in the picture that has the words */
  texts?: HitText[];
  probes: ProbeScore[];
  /** near-duplicates of this shot that were found, too */
  folded: string[];
  /** it lies under the divider: it is less likely meant than those above it */
  is_weak: boolean;
  is_blank: boolean;
  is_title: boolean;
  match: Span;
  /** frames from the first to the last of `lines` with 0.3 s on both sides, in whatever shots; null if no line was found, or other conditions decide which frames count */
  spoken: Span | null;
  /** the shot that follows, for a search with `then` */
  then: Hit | null;
};

export type HitLine = {
  line_id: string;
  text: string;
  start_s: number;
  end_s: number;
  start_frame: number;
  end_frame: number;
  start_timecode: string;
  language: string | null;
  source: string;
  /** the lines of the sentence; `line_id` is the first */
  line_ids: string[];
};

export type HitText = {
  text_id: string;
  text: string;
  start_frame: number;
  end_frame: number;
  start_timecode: string;
};

export type ImageAnswer = {
  image: string;
};

export type Judged = {
  shot_id: string;
  /** the latest judgement; null where nobody said anything */
  value: boolean | null;
  conflict: boolean;
  /** why the shot is not in the catalogue any more; else empty */
  gone: string;
  /** the latest of each person, the newest last */
  votes: Vote[];
};

export type JudgedAnswer = {
  label: string;
  yes: number;
  no: number;
  conflicts: number;
  gone: number;
  total: number;
  shots: JudgedShot[];
};

export type JudgedShot = {
  shot_id: string;
  /** the latest judgement; null where nobody said anything */
  value: boolean | null;
  conflict: boolean;
  /** why the shot is not in the catalogue any more; else empty */
  gone: string;
  /** the latest of each person, the newest last */
  votes: Vote[];
  /** null if it is gone */
  shot: Shot | null;
};

export type LabelAnswer = {
  label: string;
  yes: number;
  no: number;
  conflicts: number;
  gone: number;
  written: number;
  unchanged: number;
  set_aside: Refused[];
  /** those that were named and taken */
  shots: Judged[];
};

export type LabelBody = {
  /** small letters, digits and _ */
  label: string;
  shots: string[];
  value: boolean | null;
  /** not used with a named token: its name is stored */
  annotator?: string;
  /** where it was asked, such as `borderline`; `settled` ends a conflict, whatever others answered */
  origin?: string;
};

export type LabelCounts = {
  label: string;
  yes: number;
  no: number;
  conflicts: number;
  gone: number;
};

export type Labelled = {
  label: string;
  yes: number;
  no: number;
  conflicts: number;
  gone: number;
  /** shots whose label the version that scores has not learnt as it is now */
  since: number;
  /** the same for the last fit, whether its version scores or was refused */
  since_fit: number;
  people: Person[];
};

export type LabelsAnswer = {
  labels: LabelCounts[];
};

export type NewCollectionBody = {
  /** unique, whatever the case of its letters */
  name: string;
  entries?: PickBody[];
  /** not used with a named token: its name is stored */
  author?: string;
};

export type NewPersonBody = {
  name: string;
  faces: string[];
  /** not used with a named token: its name is stored */
  author?: string;
};

export type OfferedShot = {
  shot_id: string;
  video_id: string;
  show: string;
  title: string;
  path: string;
  start_frame: number;
  end_frame: number;
  /** frames a second */
  fps: string;
  start_s: number;
  end_s: number;
  start_timecode: string;
  /** its still: an address of this service, or on the command line a storage URI */
  poster: string;
  /** its video: an address of this service, or on the command line a storage URI */
  proxy: string;
  /** 0 to 1; null if no version scores yet */
  score: number | null;
};

export type PeopleAnswer = {
  people: PersonEntry[];
};

export type Person = {
  annotator: string;
  yes: number;
  no: number;
};

export type PersonAnswer = {
  person_id: string;
  faces: PersonFace[];
};

export type PersonChangeBody = {
  action: "name" | "merge" | "unmerge" | "split" | "reject" | "assign";
  name?: string | null;
  other_id?: string | null;
  faces?: string[] | null;
  /** not used with a named token: its name is stored */
  author?: string;
};

export type PersonEntry = {
  person_id: string;
  /** empty until a name is given */
  name: string;
  faces: number;
  shots: number;
  videos: number;
  face_id: string;
  /** shots of each show, the most first */
  shows: PersonShots[];
};

export type PersonFace = {
  face_id: string;
  shot_id: string;
  show: string;
  /** source frame number */
  frame: number;
  /** 0 to 1 */
  quality: number;
};

export type PersonShots = {
  show: string;
  shots: number;
};

export type PickBody = {
  shot_id: string;
  in_frame?: number | null;
  out_frame?: number | null;
  /** the search that found it: in words, or the search itself, which is reported and not run */
  query?: string | SearchBody | null;
  score?: number | null;
  relevance?: number | null;
  encoder_id?: string | null;
  index_version?: string | null;
  /** the editor's note, for the clip's marker */
  note?: string;
  /** `matched` of the hit; one that only words found has no score */
  matched?: ("visual" | "dialogue" | "written")[];
  dialogue_version?: string | null;
  /** `line_id` of the hit's `lines`, which are reported with their timecodes */
  line_ids?: string[];
};

export type Poster = {
  shot_id: string;
  /** the first source frame of the shot */
  start_frame: number;
  start_s: number;
  /** an address of this service */
  poster: string;
};

export type ProbeAnswer = {
  label: string;
  description: string;
  queries: string[];
  /** `f1`, `precision>=0.9` or a number; empty where the probe is not defined */
  policy: string;
  /** the version that scores the catalogue; empty if there is none */
  promoted: string;
  /** the last fit */
  latest: string;
  /** `logistic`, `zero_shot` (the words alone), or empty */
  kind: string;
  fitted_at: string | null;
  /** labels that the version learnt from */
  yes: number;
  no: number;
  /** the least score that means yes */
  threshold: number | null;
  metrics: Record<string, Figure>;
  notes: string[];
  /** why the last fit does not score the catalogue; else empty */
  refused: string;
  /** queries or threshold are not those of the last fit */
  redefined: boolean;
  labels: Labelled;
  /** shots that have a score: more than none can be searched by it */
  scored: number;
  /** the version of all these scores; empty while they are being computed */
  scored_by: string;
  /** shots that score at least 0.00, 0.01, and so on to 1.00; or nothing */
  at_least: number[];
  fit: FitState;
};

export type ProbeCondition = {
  /** such as `closeup>=0.5` */
  probe: string;
};

export type ProbeScore = {
  probe: string;
  score: number;
};

export type ProbesAnswer = {
  probes: ProbeAnswer[];
};

export type Problem = {
  type: string;
  /** The name of the status. */
  title: string;
  status: number;
  /** What happened, to which thing, and what to do next. */
  detail: string;
};

export type Provenance = {
  source: Source;
  detector: string;
  shot_computed_at: string | null;
  encoder_id: string | null;
  embedding_computed_at: string | null;
  vector_hash: string | null;
  frames_used: number | null;
  index_version: string | null;
  indexed_at: string | null;
  dialogue: Dialogue;
  feature_views: string[];
  /** when the index was first published with the video */
  searchable_since: string | null;
  runs: Run[];
};

export type Query = {
  /** Description; words in quotes are spoken words, -word excludes, and show: file: after: before: said: text: sound: person: label: filter (said:*, text:* and person:*: any). */
  text?: string;
  /** More like this shot or image. */
  like?: string[];
  /** `look`: like the example; `ending`: begin as it ends; `beginning`: end as it begins; `motion`: move as it does. */
  by?: "look" | "ending" | "beginning" | "motion";
  /** Less like this shot or image, or not what these words describe. */
  unlike?: string[];
  /** Read this part of the text as words, not as a filter or an exclusion; `*`: all of it. */
  literal?: string[];
  /** Only this show. */
  shows?: string[];
  /** Only this video, by its id. */
  videos?: string[];
  /** Only shots that a probe scores so. */
  where?: string[];
  /** Hits at the most. */
  limit?: number;
  /** Compare with every shot instead of using the index's graph. */
  exact?: boolean;
  /** Look for the text in the spoken lines too, never, or only there. */
  dialogue?: "auto" | "off" | "only";
  /** Put near-duplicates under the best of them. */
  fold?: boolean;
  /** Black and empty shots too. */
  include_blank?: boolean;
  /** Title cards and credits among the others, not after them. */
  include_titles?: boolean;
  /** Leave out less relevant hits (0-1). */
  min_relevance?: number | null;
  /** This must follow soon in the same video. */
  then?: Then | null;
  /** Only frames that fulfil every such condition. */
  all?: (TextCondition | DialogueCondition | WrittenCondition | SoundCondition | ProbeCondition)[];
  /** Only frames that fulfil one of these conditions. */
  any?: (TextCondition | DialogueCondition | WrittenCondition | SoundCondition | ProbeCondition)[];
  /** hits before the first one */
  offset?: number;
};

export type QueryChange = {
  text: string;
  literal: string[];
};

export type QueryPart = {
  kind: "show" | "file" | "after" | "before" | "said" | "text" | "sound" | "person" | "label" | "without" | "spelling";
  /** the part of the text, as written */
  text: string;
  /** its meaning: a show, a file, a date, a label, or words */
  value: string;
  /** its meaning in a few words for people, such as `show Sintel` or `less like a rabbit` */
  label: string;
  /** true for a filter that leaves out what it names */
  is_negated: boolean;
  /** true for `show:Sintel` or `-rabbit`, false for a part recognised in plain words */
  is_typed: boolean;
  /** false if it was switched off, or is only offered */
  is_applied: boolean;
  /** the query without this part; if it is not applied, the query with it */
  change: QueryChange;
};

export type Readiness = {
  /** ok, empty (nothing was ingested yet), warming, or failed */
  status: string;
};

export type Reading = {
  visual: boolean;
  dialogue: boolean;
  why: string;
  /** lines, up to 20, that have the words although only pictures were searched: quotes find them */
  said_in: number;
  /** parts that the search could not do, and possible corrections, in sentences */
  notes: string[];
  /** parts of the text that are filters, exclusions or corrected words, in their order */
  parts?: QueryPart[];
  /** the words of the text that remain to be searched */
  words?: string;
};

export type Refused = {
  shot_id: string;
  reason: string;
};

export type Run = {
  asset: string;
  partition: string | null;
  run_id: string;
  at: string;
};

export type SampleQuery = {
  kind: "seen" | "said" | "show" | "without" | "similar" | "label";
  /** as `text` of `POST /api/search` */
  text: string;
  /** as `like` of `POST /api/search` */
  like: string[];
  /** the first shots of the answer, at most three */
  shots: Shot[];
};

export type SamplesAnswer = {
  /** in the order of their kinds; those that find nothing are left out */
  samples: SampleQuery[];
};

export type SavedSearchBody = {
  /** unique, whatever the case of its letters */
  name: string;
  /** its limit and cursor do not count; its pictures are stored, at most 8 */
  search: SearchBody;
  /** not used with a named token: its name is stored */
  author?: string;
};

export type SavedSearchEntry = {
  search_id: string;
  name: string;
  search: SearchFields;
  author: string;
  created_at: string;
  new_matches: number;
  /** the best of the new ones, at most 24 */
  matches: FoundMatch[];
  /** why it cannot be answered now; otherwise empty */
  problem: string;
};

export type SavedSearchesAnswer = {
  searches: SavedSearchEntry[];
  /** of all searches together */
  new_matches: number;
};

export type SearchAnswer = {
  query: Query;
  encoder_id: string;
  index_version: string;
  dialogue_version: string | null;
  took_ms: number;
  /** relevance of the divider between likely and weak hits of this query */
  cutoff: number;
  /** false if nothing clearly matches: the best shot scores higher for half of all descriptions */
  stands_out: boolean;
  reading: Reading;
  hits: Hit[];
  next_cursor: string | null;
  /** small posters of the first hits as `data:` URIs, by shot id; as many as `posters` asked for */
  posters?: Record<string, string>;
};

export type SearchBody = {
  /** Description; words in quotes are spoken words, -word excludes, and show: file: after: before: said: text: sound: person: label: filter (said:*, text:* and person:*: any). */
  text?: string;
  /** More like this shot or image. */
  like?: string[];
  /** `look`: like the example; `ending`: begin as it ends; `beginning`: end as it begins; `motion`: move as it does. */
  by?: "look" | "ending" | "beginning" | "motion";
  /** Less like this shot or image, or not what these words describe. */
  unlike?: string[];
  /** Read this part of the text as words, not as a filter or an exclusion; `*`: all of it. */
  literal?: string[];
  /** Only this show. */
  shows?: string[];
  /** Only this video, by its id. */
  videos?: string[];
  /** Only shots that a probe scores so. */
  where?: string[];
  /** Hits of one page. */
  limit?: number;
  /** Compare with every shot instead of using the index's graph. */
  exact?: boolean;
  /** Look for the text in the spoken lines too, never, or only there. */
  dialogue?: "auto" | "off" | "only";
  /** Put near-duplicates under the best of them. */
  fold?: boolean;
  /** Black and empty shots too. */
  include_blank?: boolean;
  /** Title cards and credits among the others, not after them. */
  include_titles?: boolean;
  /** Leave out less relevant hits (0-1). */
  min_relevance?: number | null;
  /** This must follow soon in the same video. */
  then?: ThenBody | null;
  /** Only frames that fulfil every such condition. */
  all?: (TextCondition | DialogueCondition | WrittenCondition | SoundCondition | ProbeCondition)[];
  /** Only frames that fulfil one of these conditions. */
  any?: (TextCondition | DialogueCondition | WrittenCondition | SoundCondition | ProbeCondition)[];
  cursor?: string | null;
  /** Hits whose small posters come in the answer. */
  posters?: number;
};

export type SearchFields = {
  /** Description; words in quotes are spoken words, -word excludes, and show: file: after: before: said: text: sound: person: label: filter (said:*, text:* and person:*: any). */
  text?: string;
  /** More like this shot or image. */
  like?: string[];
  /** `look`: like the example; `ending`: begin as it ends; `beginning`: end as it begins; `motion`: move as it does. */
  by?: "look" | "ending" | "beginning" | "motion";
  /** Less like this shot or image, or not what these words describe. */
  unlike?: string[];
  /** Read this part of the text as words, not as a filter or an exclusion; `*`: all of it. */
  literal?: string[];
  /** Only this show. */
  shows?: string[];
  /** Only this video, by its id. */
  videos?: string[];
  /** Only shots that a probe scores so. */
  where?: string[];
  /** Hits at the most. */
  limit?: number;
  /** Compare with every shot instead of using the index's graph. */
  exact?: boolean;
  /** Look for the text in the spoken lines too, never, or only there. */
  dialogue?: "auto" | "off" | "only";
  /** Put near-duplicates under the best of them. */
  fold?: boolean;
  /** Black and empty shots too. */
  include_blank?: boolean;
  /** Title cards and credits among the others, not after them. */
  include_titles?: boolean;
  /** Leave out less relevant hits (0-1). */
  min_relevance?: number | null;
  /** This must follow soon in the same video. */
  then?: Then | null;
  /** Only frames that fulfil every such condition. */
  all?: (TextCondition | DialogueCondition | WrittenCondition | SoundCondition | ProbeCondition)[];
  /** Only frames that fulfil one of these conditions. */
  any?: (TextCondition | DialogueCondition | WrittenCondition | SoundCondition | ProbeCondition)[];
};

export type SessionAnswer = {
  /** true as well if the service needs no token */
  signed_in: boolean;
  /** whether the service needs a token */
  needed: boolean;
  /** the name of the token, under which answers are stored; empty if it has none */
  name: string;
  /** null: not signed in */
  role: "look" | "label" | "administer" | null;
};

export type SessionBody = {
  token: string;
};

export type Shot = {
  shot_id: string;
  video_id: string;
  show: string;
  title: string;
  path: string;
  start_frame: number;
  end_frame: number;
  /** frames a second */
  fps: string;
  start_s: number;
  end_s: number;
  start_timecode: string;
  /** its still: an address of this service, or on the command line a storage URI */
  poster: string;
  /** its video: an address of this service, or on the command line a storage URI */
  proxy: string;
};

export type ShotAnswer = {
  shot_id: string;
  video_id: string;
  show: string;
  title: string;
  path: string;
  start_frame: number;
  end_frame: number;
  /** frames a second */
  fps: string;
  start_s: number;
  end_s: number;
  start_timecode: string;
  /** its still: an address of this service, or on the command line a storage URI */
  poster: string;
  /** its video: an address of this service, or on the command line a storage URI */
  proxy: string;
  previous: string | null;
  next: string | null;
  /** seconds from the shot's start at which each frame begins, where the rate is not constant */
  frame_times: number[] | null;
  lines: SpokenLine[];
  /** writing in the picture, without timecodes and logos */
  texts: HitText[];
  probes: ProbeScore[];
  is_blank: boolean;
  is_title: boolean;
  video: VideoFacts;
  provenance: Provenance;
};

export type Show = {
  videos: number;
  ready: number;
  pending: number;
  set_aside: number;
  shots: number;
  footage_s: number;
  show: string;
  /** when the last of the show's videos became searchable */
  searchable_since: string | null;
};

export type ShowPosters = {
  show: string;
  posters: Poster[];
};

export type ShowPostersAnswer = {
  shows: ShowPosters[];
};

export type ShowsAnswer = {
  shows: Show[];
  totals: Totals;
  encoder_id: string | null;
  index_version: string | null;
  dialogue_version: string | null;
  lines: number;
  /** texts in the picture that are indexed */
  texts: number;
  /** shots that `text:*` finds */
  shots_with_text: number;
  /** shots that `sound:speech` finds, and so on for each kind */
  shots_by_sound: Record<string, number>;
  probes: string[];
  /** what to do if there is nothing to search yet; else empty */
  hint: string;
};

export type SoundCondition = {
  sound: "quiet" | "loud" | "silent" | "speech";
};

export type Source = {
  path: string;
  content_hash: string;
  bytes: number;
};

export type Span = {
  start_frame: number;
  end_frame: number;
};

export type SpokenLine = {
  line_id: string;
  text: string;
  start_s: number;
  end_s: number;
  start_frame: number;
  end_frame: number;
  start_timecode: string;
  language: string | null;
  source: string;
  /** true for recognised speech of which the model is not certain */
  is_unsure: boolean;
};

export type TextCondition = {
  text: string;
  /** At least so relevant (0-1); by default, more than hardly a shot is by chance. */
  relevance?: number | null;
};

export type Then = {
  /** This must follow soon in the same video. */
  text?: string;
  /** The following shot looks like this shot or image. */
  like?: string[];
  /** The following shot does not look like this shot or image. */
  unlike?: string[];
  /** Shots until the following one, at the most. */
  within?: number;
};

export type ThenBody = {
  /** This must follow soon in the same video. */
  text?: string;
  /** The following shot looks like this shot or image. */
  like?: string[];
  /** The following shot does not look like this shot or image. */
  unlike?: string[];
  /** Shots until the following one, at the most. */
  within?: number;
};

export type Totals = {
  videos: number;
  ready: number;
  pending: number;
  set_aside: number;
  shots: number;
  footage_s: number;
  shows: number;
};

export type TranscriptAnswer = {
  video_id: string;
  lines: SpokenLine[];
};

export type VideoEntry = {
  video_id: string;
  show: string;
  title: string;
  path: string;
  season: number | null;
  episode: number | null;
  /** `ready` (a search finds all of its shots), `pending` or `set_aside` */
  state: string;
  /** why the video is set aside; else empty */
  reason: string;
  /** searchable shots */
  shots: number;
  /** length; 0 if it is not known */
  seconds: number;
  fps: string | null;
  width: number | null;
  height: number | null;
  codec: string | null;
  has_audio: boolean | null;
  start_timecode: string | null;
  /** null if the file could not be read */
  bytes: number | null;
  /** null: not searchable as a whole yet */
  searchable_since: string | null;
  /** of shots spread over the video, without blank ones */
  posters: Poster[];
};

export type VideoFacts = {
  frames: number | null;
  width: number | null;
  height: number | null;
  codec: string | null;
  has_audio: boolean | null;
  start_timecode: string | null;
  bytes: number;
  season: number | null;
  episode: number | null;
};

export type VideoOrder = "name" | "newest";

export type VideosAnswer = {
  videos: VideoEntry[];
  /** videos in the whole list */
  total: number;
};

export type Vote = {
  annotator: string;
  value: boolean;
  created_at: string;
  origin: string;
};

export type WrittenCondition = {
  written: string;
};
