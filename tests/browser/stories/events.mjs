// What came in, what was decided and why; and dead letters, replayed and discarded.
import assert from 'node:assert/strict';

import { agree, eventually, go, please, story } from '../browser.mjs';

await story(async (page) => {
  await go(page, 'events');
  const entries = page.locator('.journal li');
  await please('put what triggers nothing, and a new file of app');
  const fresh = entries.filter({ hasText: 'app' });
  await eventually('a decision is told', async () => (await fresh.filter({ hasText: 'Decided' }).count()) > 0);
  await eventually('and that it was received', async () => (await fresh.filter({ hasText: 'Received' }).count()) > 0);
  await eventually('and what is ignored, and why', async () => (await entries.filter({ hasText: 'Ignored' }).count()) > 0);
  await page.getByLabel('Kind').selectOption('ignored');
  await eventually('one kind is shown', async () => (await entries.locator('.kind').allInnerTexts()).every((kind) => kind === 'Ignored'));

  await please('give up on two messages');
  await go(page, 'letters');
  const letters = page.locator('.letter');
  await eventually('both are told', async () => (await letters.count()) === 2);
  assert.match(await letters.first().innerText(), /neither a command nor a notification/);
  const id = await letters.first().getAttribute('data-key');
  await letters.first().getByRole('button', { name: 'Replay' }).click();
  await agree(page, 'Replay');
  await page.locator(`.letter[data-key="${id}"]`).waitFor({ state: 'detached' });
  await letters.first().getByRole('button', { name: 'Discard' }).click();
  await agree(page, 'Discard');
  await eventually('both are gone', async () => (await letters.count()) === 0);
});
