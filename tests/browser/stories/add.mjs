// A new workspace: from a template, from a folder that is chosen or dropped, from an archive, and by a command to paste.
import assert from 'node:assert/strict';

import { agree, go, please, story, token } from '../browser.mjs';

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

  // A name that is there: nothing is sent before it is agreed to, and nothing is changed where it is not.
  const sent = [];
  page.on('request', (request) => request.method() === 'PUT' && sent.push(new URL(request.url())));
  const question = page.getByRole('dialog');
  await go(page, 'add');
  await here.getByLabel('Choose a folder').setInputFiles(process.env.STORY_FOLDER);
  await here.getByText(/2 files/).waitFor();
  await here.getByLabel('Name of the workspace').fill('packed');
  await here.getByRole('button', { name: 'Upload' }).click();
  await question.getByRole('heading', { name: 'Replace packed?' }).waitFor();
  await page.keyboard.press('Escape');
  await question.waitFor({ state: 'detached' });
  assert.deepEqual(sent, []);
  await here.getByRole('button', { name: 'Upload' }).click();
  await agree(page, 'Replace');
  await live('packed');
  assert.deepEqual(sent.map(({ search }) => search), ['?format=tar']);

  // One that somebody else takes at the last moment.
  await go(page, 'add');
  await here.getByLabel('Choose a folder').setInputFiles(process.env.STORY_FOLDER);
  await here.getByText(/2 files/).waitFor();
  await here.getByLabel('Name of the workspace').fill('taken');
  const first = async (route) => {
    await please('take the name');
    await route.continue();
  };
  await page.route('**/archive?**', first, { times: 1 });
  await here.getByRole('button', { name: 'Upload' }).click();
  await question.getByRole('heading', { name: 'Replace taken?' }).waitFor();
  await page.keyboard.press('Escape');
  await question.waitFor({ state: 'detached' });
  assert.deepEqual(sent.slice(1).map(({ search }) => search), ['?format=tar&only_new=true']);

  await go(page, 'add');
  await way('By a command').getByLabel('Name of the workspace').fill('pasted');
  await page.getByRole('button', { name: 'Get the command' }).click();
  const command = await page.getByLabel('Command', { exact: true }).innerText();
  await please(`run in the folder: ${command}`);
  await go(page, 'w/pasted');
  await live('pasted');

  // The address that is signed is one of this machine: from elsewhere, it goes to the API.
  await go(page, 'add');
  await way('By a command').getByLabel('Name of the workspace').fill('sent');
  await page.getByRole('button', { name: 'Get the command' }).click();
  await page.getByText('Its address is one of the platform’s own machine').waitFor();
  const elsewhere = await page.getByLabel('Command for elsewhere').innerText();
  assert.ok(!elsewhere.includes(token), 'it holds no token');
  await please(`run in the folder: ${elsewhere}`);
  await go(page, 'w/sent');
  await live('sent');

  // Where the store is to be reached from everywhere, nothing of it is said; what would be replaced is.
  await go(page, 'add');
  await page.route('**/upload-url?**', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), only_on_this_host: false } });
  });
  await way('By a command').getByLabel('Name of the workspace').fill('sent');
  await page.getByRole('button', { name: 'Get the command' }).click();
  await page.getByText('All that sent holds now is replaced.').waitFor();
  assert.equal(await page.getByText('Its address is one of the platform’s own machine').count(), 0);
}, { expected: /409/ });
