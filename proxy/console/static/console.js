// The page: shows what the stream sends.

import { draw } from "./chart.js";
import { Connection } from "./connection.js";
import { $, API, ask, say } from "./dom.js";
import { Inbox } from "./inbox.js";
import { listen } from "./keys.js";
import { Operations } from "./operations.js";
import { programs, show as showProblems } from "./problems.js";
import { RequestForm } from "./request_form.js";
import { Sandbox } from "./sandbox.js";
import { Stream } from "./stream.js";
import { Tabs } from "./tabs.js";
import { clock, utc } from "./times.js";

let ahead = 0;
let summary = null;
const now = () => Date.now() / 1000 + ahead;
const actions = {};

// The cookie now holds the token of the printed address: keep it out of the history.
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

const operations = new Operations(now);
const inbox = new Inbox(now, actions);
inbox.onRender = (rows) => operations.count(rows);
const connection = new Connection(now);
const tabs = new Tabs($("tabs"), { openRow: (row) => inbox.openRow(row), change: drawCharts });
listen(inbox, tabs);
let ready = null;

/** Loads the form and the sandbox's controls, once; the next summary tries again. */
function load() {
  ready ??= ask(`${API}/lists`).then(setUp).catch((error) => {
    ready = null;
    say($("request-note"), `The form is not ready: ${error.message}.`);
    return () => {};
  });
  return ready;
}

function goTo(id) {
  const panel = $(id).closest("[role=tabpanel]");
  tabs.show(panel.id);
  $(id).scrollIntoView({ block: "nearest" });
}

function setUp(lists) {
  say($("request-note"), "");
  for (const name of lists.programs) programs.add(name);
  const form = new RequestForm(lists);
  actions.use = (row) => { goTo("request"); form.use(row); };
  let sandbox = null;
  inbox.onRender = (rows) => { form.offerIds(rows); sandbox?.offerPhones(rows); operations.count(rows); };
  inbox.scheduleRender();
  return () => {
    if (sandbox) return;
    // There one buys, sends an SMS and looks at the number: all of it in one view.
    $("tools").append($("request-part"), $("sandbox"));
    $("tools").hidden = false;
    sandbox = new Sandbox(lists.samples);
    form.openSandbox();
    actions.sms = (row) => { sandbox.selectPhone(row); $("sandbox").scrollIntoView({ block: "nearest" }); };
    inbox.scheduleRender();
    actions.asked = () => sandbox.showCompatibility();
  };
}

function hear(kind, data) {
  ahead = data.now - Date.now() / 1000;
  connection.sign();
  if (kind === "activations") inbox.update(data);
  if (kind === "summary") { summary = data; show(data); }
}

function show(data) {
  say($("version"), data.version);
  connection.show(data);
  inbox.setTrouble(data.store.reads);
  load().then((open) => { if (data.sandbox) { open(); actions.asked?.(); } });
  operations.show(data);
  showProblems(data);
  drawCharts();
  tick();
}

function drawCharts() {
  if (summary && !$("operations").hidden) draw(summary.minutes, summary.budget.limit, now());
}

function tick() {
  if (!summary) return;
  say($("clock"), clock(now()));
  $("clock").title = utc(now());
  $("clock").dateTime = new Date(now() * 1000).toISOString();
  operations.tick();
}

setInterval(tick, 1000);
load();
new Stream(hear, (state) => connection.change(state));
