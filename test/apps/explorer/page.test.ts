import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildExplorer } from '../../../apps/explorer/build.mjs';
import { serveExplorer } from '../../../apps/explorer/index.ts';
import { LESSONS } from '../../../apps/explorer/lessons/index.ts';
import { Prng } from '../../../formats/index.ts';
import { tablewalk } from '../run-cli.ts';
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
    // One page for all tests, which load it anew: a new one takes as long as its first view.
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!/^(file|blob|data):/.test(request.url())) complaints.push(`asks for ${request.url()}`);
    });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    complaints = [];
  });
  afterEach(() => {
    expect(complaints).toEqual([]);
  });

  const open = async (hash = ''): Promise<void> => {
    // Another state of the same page would be no new page.
    await page.goto('about:blank');
    await page.goto(`${pathToFileURL(file).href}${hash}`);
    await page.waitForSelector('main');
  };

  const button = (name: string) => page.getByRole('button', { name, exact: true });

  /** Drops files onto the page, as a person does. */
  const drop = (files: readonly { name: string; path?: string; text?: string }[]): Promise<void> => {
    const given = files.map(({ name, path, text = '' }) => ({
      name,
      base64: (path === undefined ? Buffer.from(text) : readFileSync(path)).toString('base64'),
    }));
    const dropping = `(async (given) => {
      const transfer = new DataTransfer();
      for (const { name, base64 } of given) {
        const bytes = await (await fetch('data:application/octet-stream;base64,' + base64)).arrayBuffer();
        transfer.items.add(new File([bytes], name));
      }
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    })(${JSON.stringify(given)})`;
    return page.evaluate(dropping);
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
      if (at + 1 < steps.length) await button('next').click();
    }
    expect(await page.locator('.walk .verdict').textContent()).toContain('0 descriptors read');
  });

  it('runs every lesson to its end', async () => {
    await open();
    // Inside the page, because it is asked for more than two hundred times whether it is so far.
    const done = await page.evaluate(`(async (lessons) => {
      const until = async (ready) => {
        for (let turn = 0; turn < 600; turn++) {
          if (ready()) return;
          await new Promise(requestAnimationFrame);
        }
        throw new Error('nothing happens: ' + document.querySelector('.lesson')?.textContent);
      };
      const click = (name) => [...document.querySelectorAll('.lesson button')].find((one) => one.textContent === name).click();
      const says = (selector, text) => () => document.querySelector(selector)?.textContent.startsWith(text) === true;
      const select = document.querySelector('header select');
      let steps = 0;
      for (const [id, title, count] of lessons) {
        select.value = id;
        select.dispatchEvent(new Event('change', { bubbles: true }));
        await until(says('.lesson h2', title));
        for (let at = 1; at <= count; at++) {
          await until(says('.lesson .note', at + ' of ' + count));
          await until(says('.task', 'To do'));
          click('show me');
          await until(says('.task', 'Done'));
          steps++;
          if (at < count) click('next');
        }
      }
      return steps;
    })(${JSON.stringify(LESSONS.map(({ id, title, steps }) => [id, title, steps.length]))})`);
    expect(done).toBe(LESSONS.reduce((sum, { steps }) => sum + steps.length, 0));
  });

  it('has no violation that axe finds, light and dark', async () => {
    await open('#do=map+0x40000000+0x80000000+2M+rw;touch+0x40000008;unmap+0x40000000+4K;touch+0x40000000');
    await drop([{ name: 'small', path: 'traces/samples/small-strict.ftrace.txt.gz' }]);
    await page.getByRole('heading', { name: 'Capture' }).waitFor();
    await page.evaluate(AXE);
    for (const theme of ['light', 'dark']) {
      await page.evaluate(`document.documentElement.dataset.theme = '${theme}'`);
      const found = await page.evaluate(
        'axe.run().then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ html, failureSummary }) => html.slice(0, 120) + failureSummary).slice(0, 3) })))',
      );
      expect(found).toEqual([]);
    }
  });

  it('is worked with the keyboard alone, and its link brings the state back', async () => {
    await open();
    await page.keyboard.press('/');
    await page.keyboard.insertText('0x7f3a_4c21_5a80');
    await page.keyboard.press('Enter');
    await page.getByText('entry 254 of 512').waitFor();
    await page.locator('#address').blur();
    await page.keyboard.press('m');
    await page.keyboard.insertText('0x7f3a4c215000');
    await page.keyboard.press('Enter');
    await page.getByText('mapped', { exact: true }).waitFor();
    await page.locator('#map-iova').blur();
    await page.keyboard.press('t');
    await page.keyboard.press('Enter');
    await page.getByText(/descriptors read/).waitFor();
    await page.locator('#touch-iova').blur();
    const last = await page.getByText(/^step \d+ of/).textContent();
    await page.keyboard.press('ArrowLeft');
    expect(await page.getByText(/^step \d+ of/).textContent()).not.toBe(last);
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    const shown = await page.locator('.columns').textContent();
    await page.reload();
    await page.waitForSelector('main');
    const again = await page.locator('.columns').textContent();
    expect(again?.replace(/step \d+/, '')).toBe(shown?.replace(/step \d+/, ''));
  });

  it('replays a capture that is dropped, and scrubs to where one is led', async () => {
    await open();
    await drop([{ name: '<img src=x onerror=alert(1)>', path: 'traces/samples/small-strict.ftrace.txt.gz' }]);
    await page.getByRole('heading', { name: 'Capture' }).waitFor();
    expect(await page.locator('.capture .mono').first().textContent()).toBe('<img src=x onerror=alert(1)>');
    expect(await page.locator('img').count()).toBe(0);
    const slider = page.getByLabel('Event of the capture');
    for (const event of [900, 20, 700, 333]) await slider.fill(String(event));
    await page.waitForFunction("!document.querySelector('.place').textContent.includes('…')");
    expect(await page.locator('.place').textContent()).toMatch(/^333 of/);
    await button('close it').click();
    await page.getByRole('heading', { name: 'Capture' }).waitFor({ state: 'detached' });
  });

  it('walks a memory image as the command line does', async () => {
    await open();
    const folder = 'test/vectors/images/dma';
    await drop(['pt.json', 'pt.pages.bin'].map((name) => ({ name, path: join(folder, name) })));
    await page.getByRole('heading', { name: 'Memory image' }).waitFor();
    const random = new Prng(20);
    for (let turn = 0; turn < 2; turn++) {
      const iova = 0xff80_0000 + random.below(0x80_0000);
      await page.locator('#address').fill(`0x${iova.toString(16)}`);
      await page.locator('#address').press('Enter');
      await page
        .locator('.verdict .mono', { hasText: addressOf(iova) })
        .first()
        .waitFor();
      const { stdout } = await tablewalk([
        'walk',
        folder,
        '--sid',
        '0x10',
        '--iova',
        `0x${iova.toString(16)}`,
        '--json',
        '-',
      ]);
      const told = JSON.parse(stdout) as { pa: string | null; steps: { kind: string; pa: string }[] };
      const verdict = (await page.locator('.verdict').textContent()) ?? '';
      expect(verdict).toContain(told.pa === null ? 'fault' : addressOf(Number(told.pa)));
      const cards = await page.locator('.card.read .head').allTextContents();
      const reads = told.steps.filter(({ kind }) => kind === 'descriptor').map(({ pa }) => addressOf(Number(pa)));
      expect(cards.map((text) => /read (0x[0-9a-f_]+)/.exec(text)?.[1])).toEqual(reads);
    }
  });

  it('saves its state as a file, and opens it again', async () => {
    await open('#do=map+0x40000000+0x80000000+2M+rw;touch+0x40000008&granule=16k');
    const shown = await page.locator('.columns').textContent();
    const [download] = await Promise.all([page.waitForEvent('download'), button('save').click()]);
    await open();
    await page.getByText('Nothing was done yet.').waitFor();
    await drop([{ name: download.suggestedFilename(), path: await download.path() }]);
    await page.getByText('2 MiB').first().waitFor();
    expect(await page.locator('.columns').textContent()).toBe(shown);
  });

  it('opens what it was served with, under its own content security policy, and asks nobody else', async () => {
    const files = [
      {
        name: 'small.gz',
        read: async function* () {
          yield readFileSync('traces/samples/small-strict.ftrace.txt.gz');
        },
      },
    ];
    const { server, address } = await serveExplorer({ html: readFileSync(file, 'utf8'), files }, 0);
    const served = await browser.newPage();
    const asked: string[] = [];
    served.on('console', (message) => complaints.push(message.text()));
    served.on('request', (request) => asked.push(request.url()));
    try {
      await served.goto(address);
      await served.getByRole('heading', { name: 'Capture' }).waitFor();
      await served.getByRole('button', { name: 'read', exact: true }).click();
      await served.getByText(/descriptors? read/).waitFor();
      expect(asked.filter((url) => !url.startsWith(address) && !/^(blob|data):/.test(url))).toEqual([]);
    } finally {
      await served.close();
      server.close();
      server.closeAllConnections();
    }
  });

  it('refuses what is no capture in one line, and goes on', async () => {
    await open();
    await drop([{ name: 'x.txt', text: '<script>alert(1)</script>\n'.repeat(2000) }]);
    const complaint = await page.getByRole('alert').textContent();
    expect(complaint).toContain('x.txt');
    expect(complaint).not.toContain('\n');
    await button('read').click();
    await page
      .getByText(/translation fault/)
      .first()
      .waitFor();
  });
});

function addressOf(value: number): string {
  return `0x${value.toString(16).replace(/(?<=.)(?=(.{4})+$)/g, '_')}`;
}
