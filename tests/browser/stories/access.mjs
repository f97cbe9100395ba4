// Who may what: a token and a person are made, a reader sees everything and changes nothing, the audit tells of it, and
// whoever is revoked is out.
import assert from 'node:assert/strict';

import { agree, eventually, go, isLive, please, signIn, story, url } from '../browser.mjs';

await story(async (page, { another }) => {
  await page.getByRole('link', { name: 'Access' }).click();
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Name/).fill('looker');
  await dialog.getByLabel('Role').selectOption('read');
  await agree(page, 'Make it');
  const secret = await dialog.locator('output').innerText();
  assert.match(secret, /^ckt_/);
  await agree(page, 'Done');
  await page.getByRole('row', { name: /looker/ }).waitFor();

  const reader = await another({ expected: /403|401/ });
  await signIn(reader, secret);
  await reader.getByRole('link', { name: 'app', exact: true }).click();
  await reader.getByText('You may look, and not change.').waitFor();
  for (const name of ['Restart', 'Stop', 'Roll back', 'Delete']) assert.equal(await reader.getByRole('button', { name }).count(), 0, name);
  assert.equal(await reader.getByRole('link', { name: 'Add', exact: true }).count(), 0);
  assert.equal(await reader.getByRole('link', { name: 'Audit' }).count(), 0);
  const refused = await reader.evaluate(async () => {
    const answer = await fetch('api/v1/workspaces/app/restart', { method: 'POST', headers: { 'x-requested-by': 'monitor' } });
    return answer.status;
  });
  assert.equal(refused, 403, 'what is not shown is refused as well');

  await page.getByRole('button', { name: 'Add a person' }).click();
  await dialog.getByLabel(/^Name/).fill('ada');
  await dialog.getByLabel(/^Password/).fill('a long password');
  await dialog.getByLabel('Role').selectOption('deploy');
  await dialog.getByLabel(/^Workspaces/).fill('app');
  await agree(page, 'Add');
  await page.getByRole('row', { name: /ada/ }).waitFor();
  const ada = await another({ expected: /401/ });
  await ada.goto(url);
  await ada.getByText('Name and password').click();
  await ada.getByLabel('Name', { exact: true }).fill('ada');
  await ada.getByLabel('Password', { exact: true }).fill('another password');
  await ada.getByRole('button', { name: 'Sign in' }).click();
  await ada.getByText('Name or password is wrong.').waitFor();
  await ada.getByLabel('Password', { exact: true }).fill('a long password');
  await ada.getByRole('button', { name: 'Sign in' }).click();
  await isLive(ada);
  await ada.getByRole('link', { name: 'app', exact: true }).click();
  await ada.getByRole('button', { name: 'Restart' }).waitFor();
  assert.equal(await ada.getByRole('link', { name: 'monitor', exact: true }).count(), 0, 'others are not hers to see');

  await go(page, 'w/app');
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await agree(page, 'Restart');
  await page.locator('.toast').getByText('app: restarting').waitFor();
  await go(page, 'audit');
  await page.getByRole('row').filter({ hasText: '/workspaces/app/restart' }).filter({ hasText: '202' }).first().waitFor();
  await page.getByRole('row').filter({ hasText: '/workspaces/app/restart' }).filter({ hasText: '403' }).first().waitFor();

  await go(page, 'access');
  await page.getByRole('button', { name: 'Revoke looker' }).click();
  await agree(page, 'Revoke');
  await eventually('whoever is revoked is out', async () => (await reader.getByRole('button', { name: 'Sign in' }).count()) === 1);

  await ada.getByRole('button', { name: 'Sign out' }).click();
  await ada.getByRole('button', { name: 'Sign in' }).waitFor();
  await please('look for tokens in the log of the dashboard');
});
