/** A small curve without axes, beside its figure. */
export function Sparkline({ values, width, height, className }: { values: readonly number[]; width: number; height: number; className?: string | undefined }) {
  const highest = Math.max(...values, 1);
  const last = Math.max(1, values.length - 1);
  const points = values.map((value, index) => {
    const x = (index / last) * width;
    const y = height - 1 - (value / highest) * (height - 2);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg className={className} viewBox={`0 0 ${width} ${height}`} width={width} height={height} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {values.length > 1 && (
        <>
          <polygon points={`0,${height} ${points.join(" ")} ${width},${height}`} fill="currentColor" opacity="0.14" />
          <polyline points={points.join(" ")} fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" vectorEffect="non-scaling-stroke" />
        </>
      )}
    </svg>
  );
}
