// Types that several modules of the page share; those of the service's API are in service.d.ts.
import type { Hit, OfferedShot, ProbeScore, Show, ShowsAnswer, Span, SpokenLine } from "./service.d.ts";

/** A shot that the page can show: a hit, a shot of a feed or of a video, what follows a hit, or one in the tray. */
export type PageShot = Omit<OfferedShot, "path" | "score"> & {
  path?: string;
  /** cosine of a hit; null: nothing scores yet */
  score?: number | null;
  relevance?: number;
  matched?: Hit["matched"];
  texts?: Hit["texts"];
  lines?: (Omit<SpokenLine, "is_unsure"> & { line_ids?: string[]; is_unsure?: boolean })[];
  probes?: ProbeScore[];
  /** ids of near-duplicates */
  folded?: string[];
  is_blank?: boolean;
  is_weak?: boolean;
  is_title?: boolean;
  match?: Span;
  spoken?: Span | null;
  then?: Hit | null;
  /** length of its video, if that is known */
  film_frames?: number;
  /** the hit under which it was unfolded */
  twinOf?: PageShot;
};

/** Where shots are listed: the results, the feeds of a label, or a video. */
export type ShotList = {
  shownHits(): PageShot[];
  focusShot(shotId: string): void;
};

/** Event listeners by the name of their attribute, such as `onclick`. */
export type Listeners = {
  [Name in keyof HTMLElementEventMap as `on${Name}`]?: (event: HTMLElementEventMap[Name]) => unknown;
};

/** Attributes of an element that `el` makes. */
export type Attributes = Listeners & { [name: string]: unknown };

export type Child = Node | string | null | undefined | false | 0;

/** A line above the results; `again` tries once more, `dropped` is called when the person dismisses it. */
export type Message = { text: string; bad?: boolean; again?: () => void; dropped?: () => void };

/** Changes of the query that parts of the page ask for. */
export type Changes = Partial<import("./address.js").Query>;

/** What the parts of the page can ask of it. */
export type PageActions = {
  change(changes: Changes): void;
  adjust(changes: Changes): void;
  open(address: string): void;
  showMessage(text: string, bad?: boolean): void;
  /** the text of the search */
  typed(): string;
  /** put the focus into the results; false if there are none */
  enterResults(): boolean;
};

export type ListedShow = Pick<Show, "show" | "shots"> & Partial<Show>;

export type Catalogue = ShowsAnswer;

declare global {
  var needleTheme: { current(): string; next(): string };
}
