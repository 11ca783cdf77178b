// The plots' library is fetched when the first plot is drawn.
import { lazy, Suspense, type ComponentProps } from "react";

const Drawn = lazy(() => import("./Plot"));

export function Plot(props: ComponentProps<typeof Drawn>) {
  return (
    <Suspense fallback={<PlotSpace height={props.height} />}>
      <Drawn {...props} />
    </Suspense>
  );
}

/** As high as the plot will be, so that nothing jumps. */
function PlotSpace({ height }: { height: number }) {
  return <svg width="1" height={height} aria-hidden="true" />;
}
