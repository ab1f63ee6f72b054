import uPlotScript from 'uplot/dist/uPlot.iife.min.js' with { type: 'text' };
import uPlotStyle from 'uplot/dist/uPlot.min.css' with { type: 'text' };
import type { HtmlAssets } from '../../../traces/index.ts';
import missCurveScript from './miss-curve-plots.js' with { type: 'text' };
import pageStyle from './page.css' with { type: 'text' };
import pageScript from './page.js' with { type: 'text' };
import reportScript from './report-plots.js' with { type: 'text' };
import sweepScript from './sweep-plots.js' with { type: 'text' };

/** What every page carries with it: uPlot, the script that says what is drawn, and ours. Only the bundled command line has them. */
const pageAssets = (plots: string): HtmlAssets => ({
  scripts: [uPlotScript, plots, pageScript],
  styles: [uPlotStyle, pageStyle],
});

/** What a report page carries with it. */
export const HTML_ASSETS: HtmlAssets = pageAssets(reportScript);

/** What the page of a comparison carries with it: it has tables alone. */
export const COMPARE_ASSETS: HtmlAssets = {
  scripts: ['globalThis.drawPlots = () => {};', pageScript],
  styles: [pageStyle],
};

/** What the page of a sweep carries with it. */
export const SWEEP_ASSETS: HtmlAssets = pageAssets(sweepScript);

/** What a page of miss curves carries with it. */
export const MISS_CURVE_ASSETS: HtmlAssets = pageAssets(missCurveScript);
