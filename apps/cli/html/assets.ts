import uPlotScript from 'uplot/dist/uPlot.iife.min.js' with { type: 'text' };
import uPlotStyle from 'uplot/dist/uPlot.min.css' with { type: 'text' };
import type { HtmlAssets } from '../../../traces/index.ts';
import pageStyle from './page.css' with { type: 'text' };
import pageScript from './page.js' with { type: 'text' };

/** What a report page carries with it: uPlot, its style, and ours. Only the bundled command line has them. */
export const HTML_ASSETS: HtmlAssets = { scripts: [uPlotScript, pageScript], styles: [uPlotStyle, pageStyle] };
