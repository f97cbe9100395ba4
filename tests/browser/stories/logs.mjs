// Logs of containers, of the build and of the platform: live, searched, by service, and as a file.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { eventually, go, please, story } from '../browser.mjs';

await story(async (page) => {
  await go(page, 'w/twins/logs');
  const log = page.locator('.log');
  const shown = () => log.locator('.line:not([hidden])').allInnerTexts();
  await log.getByText('one says hello').waitFor();
  await log.getByText('two says hello').waitFor();
  await please('visit twins, so that it logs <i>a visit</i>');
  await log.getByText('<i>a visit</i>').first().waitFor();
  assert.equal(await log.locator('i').count(), 0, 'what is logged is text');

  await please('have Docker start the container of one again, and visit twins, so that it logs after the start');
  await eventually('the log goes on', async () => (await shown()).some((line) => /one saw .*after the start/.test(line)));
  assert.equal((await shown()).filter((line) => /one says hello/.test(line)).length, 2, 'once for each start');
  assert.equal((await shown()).filter((line) => /two says hello/.test(line)).length, 1);

  await page.getByRole('searchbox', { name: 'Search in the log' }).fill('TWO SAYS');
  await eventually('only what is sought is shown', async () => (await shown()).length > 0 && (await shown()).every((line) => /two says/.test(line)));
  assert.ok((await log.locator('mark').count()) > 0);
  await page.getByRole('searchbox', { name: 'Search in the log' }).fill('');

  await page.getByLabel('Service').selectOption('one');
  await eventually('one service is shown', async () => {
    const lines = await shown();
    return lines.some((line) => /one says hello/.test(line)) && !lines.some((line) => /two says/.test(line));
  });
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download' }).click()]);
  assert.match(download.suggestedFilename(), /^twins-containers-one\.log$/);
  assert.match(readFileSync(await download.path(), 'utf8'), /one says hello/);

  await page.getByLabel('times').check();
  await eventually('each line has its time', async () => (await shown()).every((line) => /^\d{4}-\d\d-\d\dT/.test(line)) && (await shown()).length > 0);

  await page.getByRole('button', { name: 'Build' }).click();
  await log.getByText('said while it was built').first().waitFor();

  await go(page, 'platform');
  await log.locator('.line').first().waitFor();
  await page.getByText('runs the containers').waitFor();
});
