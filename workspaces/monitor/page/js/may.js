// What whoever is signed in may do. The platform decides that anew for each request; here it only decides what is shown.
import { state } from './state.js';

const RANK = { read: 1, deploy: 2, admin: 3 };
const role = () => RANK[state.me?.role] ?? 0;

const isAbout = (name) => !state.me?.workspaces || state.me.workspaces.some((pattern) => matches(pattern, name));

export const mayChange = (name) => role() >= RANK.deploy && isAbout(name);
export const mayAdd = () => role() >= RANK.deploy;
export const seesPlatform = () => role() >= RANK.read && !state.me?.workspaces;
export const administers = () => role() >= RANK.admin;

// As the policy has it: `*` stands for any letters, also none.
export function matches(pattern, name) {
  const [first, ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  if (!name.startsWith(first)) return false;
  const last = rest.pop();
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - at >= last.length && name.endsWith(last);
}
