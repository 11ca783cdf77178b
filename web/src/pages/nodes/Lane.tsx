import { formatAge, formatTimeLeft } from "../../model/format";
import { minutesIn, percentIn, type Lane, type Piece, type Strip, type Window } from "./lanes";
import styles from "./Lane.module.css";

const TRACK_PX = 24;
/** A narrower strip does not fit a name. */
const MIN_NAMED_PERCENT = 7;
/** The row's counts include further parallel pulls. */
const MAX_TRACKS = 6;

/** A node's pulls over time. The opened row names the running ones too: most strips are too short to point at. */
export function LaneStrips({ nodeName, lane, view, nowMs }: { nodeName: string; lane: Lane; view: Window; nowMs: number }) {
  const tracks = Math.min(lane.tracks, MAX_TRACKS);
  const strips = lane.strips.filter((strip) => strip.track < MAX_TRACKS && strip.toMs > view.fromMs && strip.fromMs < view.toMs);
  return (
    <div className={styles.lane} style={{ height: tracks * TRACK_PX }}>
      <span className={styles.now} style={{ left: `${percentIn(view, nowMs)}%` }} />
      <ol aria-label={`Pulls of ${nodeName} over time`}>
        {strips.map((strip) => (
          <LaneStrip key={strip.key} strip={strip} view={view} nowMs={nowMs} />
        ))}
      </ol>
    </div>
  );
}

function LaneStrip({ strip, view, nowMs }: { strip: Strip; view: Window; nowMs: number }) {
  const from = percentIn(view, strip.fromMs);
  const width = percentIn(view, strip.toMs) - from;
  const title = titleOf(strip, nowMs);
  const within = { fromMs: Math.max(strip.fromMs, view.fromMs), toMs: Math.min(strip.toMs, view.toMs) };
  return (
    <li className={styles.strip} style={{ left: `${from}%`, width: `${width}%`, top: strip.track * TRACK_PX }}>
      <span className={styles.box} title={title} role="img" aria-label={title}>
        {strip.pieces.map((piece, index) => {
          const left = percentIn(within, piece.fromMs);
          return <span key={index} className={styles.piece} data-kind={piece.kind} style={{ left: `${left}%`, width: `${percentIn(within, piece.toMs) - left}%` }} />;
        })}
        {width >= MIN_NAMED_PERCENT && (
          <span className={styles.label} data-kind={strip.pieces[0]?.kind}>
            {strip.label}
          </span>
        )}
      </span>
    </li>
  );
}

function titleOf(strip: Strip, nowMs: number): string {
  const seconds = (piece: Piece) => (piece.toMs - piece.fromMs) / 1000;
  if (strip.pullId === "") return `${strip.label}: queued, ready in ${formatTimeLeft(Math.max(0, (strip.toMs - nowMs) / 1000))}`;
  const parts = strip.pieces.map((piece) =>
    piece.kind === "expected" ? `${formatTimeLeft(seconds(piece))} left` : `${piece.kind} ${piece.kind === "pulled" ? "in" : "for"} ${formatAge(seconds(piece))}`,
  );
  return `${strip.label}: ${parts.join(", ")}`;
}

/** The time above the lanes. */
export function Axis({ view, nowMs }: { view: Window; nowMs: number }) {
  return (
    <div className={styles.axis} aria-hidden="true">
      <div className={styles.ticks}>
        {minutesIn(view, nowMs).map((minute) => (
          <span key={minute} data-now={minute === 0} style={{ left: `${percentIn(view, nowMs + minute * 60_000)}%` }}>
            {minute === 0 ? "now" : `${minute > 0 ? "+" : "−"}${Math.abs(minute)} min`}
          </span>
        ))}
      </div>
    </div>
  );
}

export function LaneLegend() {
  return (
    <ul className={styles.legend} aria-label="Legend of the lanes">
      {(["pulled", "downloading", "unpacking", "expected", "queued", "failed"] as const).map((kind) => (
        <li key={kind}>
          <span className={styles.piece} data-kind={kind} />
          {kind}
        </li>
      ))}
    </ul>
  );
}
