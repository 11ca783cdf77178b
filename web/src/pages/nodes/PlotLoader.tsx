// The browser loads uPlot with the first plot.
import { lazy, Suspense, type ComponentProps } from "react";

const Drawn = lazy(() => import("./Plot"));

export function Plot(props: ComponentProps<typeof Drawn>) {
  return (
    <Suspense fallback={<PlotSpace height={props.height} />}>
      <Drawn {...props} />
    </Suspense>
  );
}

/** The height of the plot, so that nothing jumps. */
function PlotSpace({ height }: { height: number }) {
  return <svg width="1" height={height} aria-hidden="true" />;
}
