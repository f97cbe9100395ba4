// A new workspace: from a template, from a folder that is chosen or dropped, from an archive, and by a command to paste.
import assert from 'node:assert/strict';

import { go, please, story } from '../browser.mjs';

await story(async (page) => {
  const live = async (name) => {
    await page.getByRole('heading', { level: 1, name }).getByText('Live').waitFor();
  };
  const way = (title) => page.locator('.way').filter({ has: page.getByRole('heading', { name: title }) });
  const here = way('From this computer');

  await page.getByRole('link', { name: 'Add', exact: true }).click();
  await way('From a template').getByRole('radio', { name: /^Node/ }).check();
  await way('From a template').getByLabel('Name of the workspace').fill('templated');
  await page.getByRole('button', { name: 'Create' }).click();
  await live('templated');

  await go(page, 'add');
  await here.getByLabel('Choose a folder').setInputFiles(process.env.STORY_FOLDER);
  await here.getByText(/2 files/).waitFor();
  await here.getByText(/left out/).waitFor();
  await here.getByLabel('Name of the workspace').fill('chosen');
  await here.getByRole('button', { name: 'Upload' }).click();
  await live('chosen');

  await go(page, 'add');
  const devtools = await page.context().newCDPSession(page);
  const zone = await page.locator('.drop').boundingBox();
  const at = { x: zone.x + zone.width / 2, y: zone.y + 12, data: { items: [], files: [process.env.STORY_FOLDER], dragOperationsMask: 1 } };
  for (const type of ['dragEnter', 'dragOver', 'drop']) await devtools.send('Input.dispatchDragEvent', { type, ...at });
  await here.getByText(/2 files/).waitFor();
  await here.getByLabel('Name of the workspace').fill('dropped');
  await here.getByRole('button', { name: 'Upload' }).click();
  await live('dropped');

  await go(page, 'add');
  await here.getByLabel('Choose an archive').setInputFiles(process.env.STORY_ARCHIVE);
  assert.equal(await here.getByLabel('Name of the workspace').inputValue(), 'packed');
  await here.getByRole('button', { name: 'Upload' }).click();
  await live('packed');

  await go(page, 'add');
  await way('By a command').getByLabel('Name of the workspace').fill('pasted');
  await page.getByRole('button', { name: 'Get the command' }).click();
  const command = await page.getByLabel('Command', { exact: true }).innerText();
  await please(`run in the folder: ${command}`);
  await go(page, 'w/pasted');
  await live('pasted');
});
