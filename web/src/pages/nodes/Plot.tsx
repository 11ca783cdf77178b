/* The curves of the last half hour. */
import { useEffect, useMemo, useRef } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useCluster, useSelector, useStore } from "../../data/useStore";
import { formatBytes, formatClock, formatRate } from "../../model/format";
import { curvesOf, type Scope } from "./throughput";
import { useSystemDark } from "../../ui/useMedia";
import styles from "./Plot.module.css";

/** Round numbers of bytes: 1, 2, 5, 10 … of each unit. */
const INCREMENTS = [1024, 1024 ** 2, 1024 ** 3].flatMap((unit) => [1, 2, 5, 10, 20, 50, 100, 200, 500].map((factor) => factor * unit));

/** Whole minutes, in seconds. */
const MINUTES = [60, 120, 300, 600];

interface PlotProps {
  readonly scope: Scope;
  readonly height: number;
}

export default function Plot({ scope, height }: PlotProps) {
  const store = useStore();
  const samples = useCluster("samples");
  const theme = useSelector((state) => state.theme);
  const systemDark = useSystemDark();
  const dark = theme === "system" ? systemDark : theme === "dark";
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(null);
  const { kind, name } = scope;
  // New samples bring new curves: rows change many times between two samples.
  const { curves, nowMs } = useMemo(() => {
    const { rows, receivedAtMs, serverOffsetMs } = store.state.cluster;
    const nowMs = samples.at(-1)?.atMs ?? receivedAtMs ?? 0;
    return { nowMs, curves: curvesOf(samples, rows, { kind, name }, nowMs, serverOffsetMs) };
  }, [store, samples, kind, name]);

  useEffect(() => {
    const parent = box.current;
    if (parent === null) return;
    const drawn = new UPlot(optionsFor(parent, height), [[], [], []], parent);
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: parent.clientWidth, height }));
    resized.observe(parent);
    return () => {
      resized.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [height, dark]);

  useEffect(() => {
    const drawn = plot.current;
    if (drawn === null) return;
    drawn.setData([curves.atSeconds, curves.averaged, curves.sampled], false);
    const highest = Math.max(1024, ...curves.averaged.map((value) => value ?? 0), ...curves.sampled.map((value) => value ?? 0));
    drawn.batch(() => {
      drawn.setScale("x", { min: curves.atSeconds[0] ?? nowMs / 1000 - 60, max: nowMs / 1000 });
      drawn.setScale("y", { min: 0, max: highest * 1.1 });
    });
  }, [curves, nowMs, height, dark]);

  const latest = curves.sampled.at(-1) ?? 0;
  return (
    <div className={styles.plot} role="img" aria-label={`Throughput of ${name === "" ? "the cluster" : name} over 30 minutes; now ${formatRate(latest)}`}>
      <div ref={box} />
    </div>
  );
}

function optionsFor(parent: HTMLElement, height: number): UPlot.Options {
  const style = getComputedStyle(parent);
  const color = (token: string) => resolved(parent, style.getPropertyValue(token));
  const [muted, line, accent, soft] = [color("--muted"), color("--line"), color("--accent"), color("--accent-soft")];
  const font = `11px ${style.fontFamily}`;
  const axis = { stroke: muted, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width: Math.max(200, parent.clientWidth),
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { setScale: false } },
    scales: { x: { time: true, auto: false }, y: { auto: false } },
    axes: [
      { ...axis, size: 22, incrs: MINUTES, values: (_, seconds) => seconds.map((each) => formatClock(each * 1000).slice(0, 5)) },
      { ...axis, size: 72, space: 36, incrs: INCREMENTS, values: (_, values) => values.map((each) => `${formatBytes(each)}/s`) },
    ],
    series: [
      {},
      // Averages, not samples: dashed.
      { stroke: muted, width: 1.25, dash: [4, 3], points: { show: false } },
      { stroke: accent, width: 1.75, fill: soft, points: { show: false } },
    ],
  };
}

/** A canvas does not support light-dark(): the browser resolves it. */
function resolved(parent: HTMLElement, value: string): string {
  const probe = document.createElement("span");
  probe.style.color = value;
  parent.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
