import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildExplorer } from '../../../apps/explorer/build.mjs';
import { LESSONS } from '../../../apps/explorer/lessons/index.ts';
import { CHROMIUM, openBrowser } from './browser.ts';

const AXE = readFileSync('node_modules/axe-core/axe.min.js', 'utf8');

describe.skipIf(CHROMIUM === '')('the page in Chromium, from disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tablewalk-explorer-'));
  const file = join(folder, 'explorer.html');
  let browser: Browser;
  let page: Page;
  /** Whatever the page complained of. */
  let complaints: string[] = [];

  beforeAll(async () => {
    writeFileSync(file, await buildExplorer());
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(async () => {
    complaints = [];
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!/^(file|blob|data):/.test(request.url())) complaints.push(`asks for ${request.url()}`);
    });
  });
  afterEach(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });

  const open = async (hash = ''): Promise<void> => {
    await page.goto(`${pathToFileURL(file).href}${hash}`);
    await page.waitForSelector('main');
  };

  it('does a lesson from its beginning to its end, by what a learner clicks', async () => {
    await open('#lesson=first-walk');
    const steps = LESSONS.find(({ id }) => id === 'first-walk')?.steps ?? [];
    for (let at = 0; at < steps.length; at++) {
      await page.getByText(`${at + 1} of ${steps.length}`, { exact: true }).waitFor();
      expect(await page.locator('.task').textContent()).toMatch(/^To do/);
      for (const deed of steps[at]?.solution ?? []) {
        await page.locator('#line').fill(deed);
        await page.locator('#line').press('Enter');
      }
      await page.getByText('Done:').waitFor();
      if (at + 1 < steps.length) await page.getByRole('button', { name: 'next', exact: true }).click();
    }
    expect(await page.locator('.walk .verdict').textContent()).toContain('0 descriptors read');
  });

  it('has no serious violation that axe finds, light and dark', async () => {
    await open('#do=map+0x40000000+0x80000000+2M+rw;touch+0x40000008;unmap+0x40000000+4K;touch+0x40000000');
    await page.evaluate(AXE);
    for (const theme of ['light', 'dark']) {
      await page.evaluate(`document.documentElement.dataset.theme = '${theme}'`);
      const found = await page.evaluate(
        'axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ html, failureSummary }) => html.slice(0, 120) + failureSummary).slice(0, 3) })))',
      );
      expect(found).toEqual([]);
    }
  });
});
