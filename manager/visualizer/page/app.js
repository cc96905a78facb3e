'use strict';
// Everything shown is set with textContent: names from the cluster are text, never markup.
const nodesEl = document.getElementById('nodes');
const summary = document.getElementById('summary');
const filter = document.getElementById('filter');
const log = document.getElementById('log');
let state = null;
let known = new Map();

function el(tag, cls, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
}

function hue(id) {
  let h = 0;
  for (const c of id) h = (h * 31 + c.charCodeAt(0)) % 360;
  return `hsl(${h} 60% 50%)`;
}

function ago(ms) {
  const s = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return `${Math.round(s / 3600)} h`;
}

function size(n) {
  return n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(1)} GiB` : `${Math.round(n / 2 ** 20)} MiB`;
}

function live(t) {
  return !['shutdown', 'remove'].includes(t.desired) || ['running', 'starting'].includes(t.state);
}

function taskCard(t, services) {
  const s = services.get(t.service);
  const name = s ? s.name : '(removed)';
  const li = el('li', 'task');
  li.tabIndex = 0;
  li.style.setProperty('--hue', hue(t.service));
  li.append(el('b', '', t.slot ? `${name}.${t.slot}` : name));
  li.append(el('span', '', t.image));
  li.append(el('span', '', `${t.state} · ${ago(t.since)}`));
  if (t.error) li.append(el('span', 'err', t.error));
  return li;
}

function nodeCard(n, tasks, services) {
  const sec = el('section', `node ${n.state}`);
  sec.setAttribute('aria-label', `Node ${n.name}`);
  sec.append(el('h2', '', n.name));
  const meta = el('p', 'meta', `${n.leader ? 'leader' : n.role} · ${n.addr} · `);
  meta.append(el('span', n.state === 'ready' ? '' : 'bad', n.state));
  if (n.availability !== 'active') meta.append(el('span', 'bad', ` · ${n.availability}`));
  sec.append(meta);
  for (const [what, used, all, text] of [
    ['CPU reserved', n.reservedCpus, n.cpus, `${n.reservedCpus / 1e9} of ${n.cpus / 1e9} CPUs`],
    ['Memory reserved', n.reservedMemory, n.memory, `${size(n.reservedMemory)} of ${size(n.memory)}`]]) {
    const m = el('meter');
    m.max = all || 1;
    m.value = used;
    m.title = `${what}: ${text}`;
    m.setAttribute('aria-label', m.title);
    sec.append(m);
  }
  const ul = el('ul');
  for (const t of tasks) ul.append(taskCard(t, services));
  sec.append(ul);
  return sec;
}

function note(text) {
  log.prepend(el('li', '', `${new Date().toLocaleTimeString()} ${text}`));
  while (log.children.length > 50) log.lastChild.remove();
}

function noteChanges(services) {
  const now = new Map();
  for (const t of state.tasks) {
    now.set(t.id, t.state);
    const was = known.get(t.id);
    const s = services.get(t.service);
    if (known.size && was !== t.state)
      note(`${s ? s.name : '(removed)'}${t.slot ? '.' + t.slot : ''}: ${was || 'new'} → ${t.state}${t.error ? ' (' + t.error + ')' : ''}`);
  }
  known = now;
}

function fillFilter() {
  const want = state.services.map(s => s.id + s.name).join();
  if (filter.dataset.for === want) return;
  filter.dataset.for = want;
  const chosen = filter.value;
  filter.replaceChildren(new Option('all services', ''), ...state.services.map(s => new Option(s.name, s.id)));
  filter.value = state.services.some(s => s.id === chosen) ? chosen : '';
}

function render() {
  if (!state) return;
  const services = new Map(state.services.map(s => [s.id, s]));
  fillFilter();
  noteChanges(services);
  const shown = state.tasks.filter(t => live(t) && (!filter.value || t.service === filter.value));
  const unplaced = shown.filter(t => !t.node);
  const columns = state.nodes.map(n => nodeCard(n, shown.filter(t => t.node === n.id), services));
  if (unplaced.length) {
    const n = { name: 'waiting for a node', role: 'pending', addr: '', state: 'pending', availability: 'active', cpus: 0, memory: 0, reservedCpus: 0, reservedMemory: 0 };
    columns.push(nodeCard(n, unplaced, services));
  }
  nodesEl.replaceChildren(...columns);
  const running = state.tasks.filter(t => t.state === 'running').length;
  summary.textContent = `${state.nodes.length} nodes · ${state.services.length} services · ${running} tasks running`;
}

filter.addEventListener('change', render);
const source = new EventSource('events');
source.onmessage = e => { state = JSON.parse(e.data); render(); };
source.onerror = () => { summary.textContent = 'connection lost, trying again…'; };
setInterval(render, 5000);
