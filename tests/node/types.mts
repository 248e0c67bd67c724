// What the type checker must accept and what it must reject. Compiled, never run.

import type { IncomingHttpHeaders } from 'node:http';
import { expectTypeOf } from 'expect-type';
import {
  type APIConnectionError,
  APITimeoutError,
  type ApiKey,
  type AuditEntry,
  type AuditQueryParams,
  type AuditVerifyResult,
  AutonomiClient,
  AutonomiError,
  type CallOptions,
  Client,
  type ClientChanges,
  type ClientOptions,
  type DashboardMessage,
  type DashboardStream,
  EventStream,
  type FieldError,
  ForbiddenError,
  type Known,
  type LiveEvent,
  type LiveEventStream,
  type LiveEventType,
  type Logger,
  LokiClient,
  NotFoundError,
  type Pager,
  type PermissionDeniedError,
  type Project,
  parseTimestamp,
  type RawClient,
  type RawResponse,
  type Run,
  type RunEvent,
  type RunFollower,
  type Session,
  SessionManager,
  type SessionStatus,
  type StartedSession,
  type Task,
  TaskManager,
  type TemporaryApiKey,
  type Tenant,
  type TokenProvider,
  ValidationError,
} from 'loki-mode-sdk';
import {
  type ApprovalRequest,
  isApprovalRequest,
  parse,
  sign,
  unwrap,
  verify,
  type WebhookEvent,
  WebhookVerificationError,
} from 'loki-mode-sdk/webhooks';

/** Each can stand for the other. */
type Interchangeable<A, B> = [A, B] extends [B, A] ? true : false;

const options: ClientOptions = { baseUrl: 'http://localhost:57374' };
const withToken: ClientOptions = { baseUrl: 'http://localhost:57374', token: 'loki_x', timeout: 5000 };
const client = new AutonomiClient(options);
const alias: AutonomiClient = new Client(withToken);

// The methods of the guide, with its argument order and its results.
interface Guide {
  getStatus(): Promise<Record<string, unknown>>;
  listProjects(): Promise<Project[]>;
  getProject(projectId: number): Promise<Project>;
  createProject(name: string, description?: string): Promise<Project>;
  listTasks(projectId?: number, status?: string): Promise<Task[]>;
  getTask(taskId: number): Promise<Task>;
  createTask(projectId: number, title: string, description?: string): Promise<Task>;
  listRuns(projectId?: number, status?: string): Promise<Run[]>;
  getRun(runId: number): Promise<Run>;
  cancelRun(runId: number): Promise<Run>;
  replayRun(runId: number): Promise<Run>;
  getRunTimeline(runId: number): Promise<RunEvent[]>;
  listTenants(): Promise<Tenant[]>;
  getTenant(tenantId: number): Promise<Tenant>;
  createTenant(name: string, description?: string): Promise<Tenant>;
  deleteTenant(tenantId: number): Promise<void>;
  listApiKeys(): Promise<ApiKey[]>;
  createApiKey(name: string, role?: string): Promise<ApiKey & { token: string }>;
  rotateApiKey(identifier: string, gracePeriodHours?: number): Promise<Record<string, unknown>>;
  deleteApiKey(identifier: string): Promise<void>;
  queryAudit(params?: AuditQueryParams): Promise<AuditEntry[]>;
  verifyAudit(): Promise<AuditVerifyResult>;
}
const guide: Guide = client;

// Its interfaces: what the guide's are made of can be read from ours, and is not optional where it was not.
interface GuideProject {
  id: number;
  name: string;
  description?: string;
  status: string;
  tenant_id?: number;
  created_at: string;
  updated_at: string;
}
interface GuideTask {
  id: number;
  project_id: number;
  title: string;
  description?: string;
  status: string;
  priority: string;
}
interface GuideRun {
  id: number;
  project_id: number;
  status: string;
  trigger: string;
  config?: Record<string, unknown>;
  started_at: string;
  ended_at?: string;
}
interface GuideRunEvent {
  id: number;
  run_id: number;
  event_type: string;
  phase?: string;
  details?: Record<string, unknown>;
  timestamp: string;
}
interface GuideTenant {
  id: number;
  name: string;
  slug: string;
  description?: string;
  created_at: string;
}
interface GuideApiKey {
  id: string;
  name: string;
  scopes: string[];
  role?: string;
  created_at: string;
  expires_at?: string;
  last_used?: string;
}
interface GuideAuditEntry {
  timestamp: string;
  action: string;
  resource_type: string;
  resource_id?: string;
  user_id?: string;
  success: boolean;
}
interface GuideAuditVerifyResult {
  valid: boolean;
  entries_checked: number;
}
expectTypeOf<Pick<Project, Exclude<keyof GuideProject, 'status'>>>().toEqualTypeOf<
  Omit<GuideProject, 'status'>
>();
expectTypeOf<Pick<Task, Exclude<keyof GuideTask, 'status' | 'priority'>>>().toEqualTypeOf<
  Omit<GuideTask, 'status' | 'priority'>
>();
expectTypeOf<Pick<Run, Exclude<keyof GuideRun, 'status'>>>().toEqualTypeOf<Omit<GuideRun, 'status'>>();
expectTypeOf<Pick<RunEvent, keyof GuideRunEvent>>().toEqualTypeOf<Pick<GuideRunEvent, keyof GuideRunEvent>>();
expectTypeOf<Pick<Tenant, keyof GuideTenant>>().toEqualTypeOf<Pick<GuideTenant, keyof GuideTenant>>();
expectTypeOf<Pick<ApiKey, Exclude<keyof GuideApiKey, 'role'>>>().toEqualTypeOf<Omit<GuideApiKey, 'role'>>();
expectTypeOf<Pick<AuditEntry, keyof GuideAuditEntry>>().toEqualTypeOf<
  Pick<GuideAuditEntry, keyof GuideAuditEntry>
>();
expectTypeOf<Pick<AuditVerifyResult, keyof GuideAuditVerifyResult>>().toEqualTypeOf<
  Pick<GuideAuditVerifyResult, keyof GuideAuditVerifyResult>
>();

// A status is a string in the guide; ours also says which ones are known, and can stand for it anywhere.
expectTypeOf<Interchangeable<Pick<Project, keyof GuideProject>, GuideProject>>().toEqualTypeOf<true>();
expectTypeOf<Interchangeable<Pick<Task, keyof GuideTask>, GuideTask>>().toEqualTypeOf<true>();
expectTypeOf<Interchangeable<Pick<Run, keyof GuideRun>, GuideRun>>().toEqualTypeOf<true>();
expectTypeOf<Interchangeable<Pick<ApiKey, keyof GuideApiKey>, GuideApiKey>>().toEqualTypeOf<true>();
expectTypeOf<Run['status']>().toEqualTypeOf<
  Known<'running' | 'replaying' | 'completed' | 'failed' | 'cancelled'>
>();
expectTypeOf<Task['priority']>().toEqualTypeOf<Known<'low' | 'medium' | 'high' | 'critical'>>();
expectTypeOf<NonNullable<ApiKey['role']>>().toEqualTypeOf<
  Known<'admin' | 'operator' | 'viewer' | 'auditor'>
>();

export function openEnumerations(runs: Run[], counts: Record<string, number>, word: string): string {
  const run: Run = { id: 1, project_id: 1, status: word, trigger: 'api', started_at: '' };
  run.status = 'a state of tomorrow';
  const statuses: string[] = runs.map((each) => each.status);
  const distinct: Set<string> = new Set(runs.map((each) => each.status));
  const byStatus: Map<string, Run> = new Map(runs.map((each) => [each.status, each]));
  counts[run.status] = (counts[run.status] ?? 0) + 1;
  if (run.status === 'another one of tomorrow' || statuses.includes(run.status)) return run.status;
  switch (run.status) {
    case 'failed':
      return run.status;
    case 'a third one of tomorrow':
      return word;
    default:
      return `${distinct.size} ${byStatus.get(run.status)?.status.toUpperCase()}`;
  }
}

export async function errors(): Promise<number | undefined> {
  try {
    await client.getProject(1);
  } catch (error) {
    if (error instanceof NotFoundError)
      expectTypeOf<typeof error.statusCode>().toEqualTypeOf<number | undefined>();
    if (error instanceof ForbiddenError)
      expectTypeOf<typeof error.requiredScope>().toEqualTypeOf<string | undefined>();
    if (error instanceof ValidationError)
      expectTypeOf<(typeof error.errors)[number]>().toEqualTypeOf<FieldError>();
    // @ts-expect-error -- only 403 names a scope
    if (error instanceof NotFoundError) error.requiredScope;
    if (error instanceof APITimeoutError) return void error.maybeExecuted;
    if (error instanceof AutonomiError) return error.retryAfter;
    // @ts-expect-error -- what else is thrown is unknown
    error.message;
  }
  return undefined;
}

// What one of the guide's objects holds is enough to stand for one of ours.
const project: Project = { id: 1, name: 'a', status: 'active', created_at: '', updated_at: '' };
const task: Task = { id: 1, project_id: 1, title: '', status: 'pending', priority: 'high' };

// As `fetch` takes it: what applications hand on may be either.
expectTypeOf<CallOptions['signal']>().toEqualTypeOf<AbortSignal | null | undefined>();
expectTypeOf(client.iterRuns).returns.toEqualTypeOf<Pager<Run>>();
expectTypeOf<Pager<Run>>().toExtend<AsyncIterableIterator<Run>>();
expectTypeOf<ReturnType<Pager<Run>['pages']>>().toEqualTypeOf<AsyncGenerator<Run[], void, undefined>>();
expectTypeOf(client.raw.listRuns).returns.resolves.toEqualTypeOf<RawResponse<Run[]>>();
expectTypeOf(client.raw.listRuns).parameters.toEqualTypeOf<Parameters<AutonomiClient['listRuns']>>();
// Unknown strings are taken, and those that are known are told.
expectTypeOf<string>().toExtend<Run['status']>();
expectTypeOf<Extract<Run['status'], 'running'>>().toEqualTypeOf<'running'>();

export async function accepted(signal: AbortSignal): Promise<void> {
  await client.getProject('proj-1', { signal, timeout: 1000, maxRetries: 0 });
  await client.listRuns(undefined, 'a status of tomorrow', { limit: 10, offset: 20 });
  await client.createProject('name', undefined, { tenantId: 1 });
  await client.queryAudit({ start_date: '2026-02-01', limit: 50, resource_type: 'api_key' }, { signal });
  await client.queryAudit({ start_date: new Date(), end_date: '2026-02-01' });
  await client.getRunTimeline(1, { since: parseTimestamp('2026-02-01') });
  const run = await client.getRun(1);
  expectTypeOf(parseTimestamp('2026-02-01')).toEqualTypeOf<Date>();
  expectTypeOf(parseTimestamp(run.ended_at)).toEqualTypeOf<Date | undefined>();
  await new EventStream(client).pollEvents(1, new Date());
  await client.createApiKey('ci', 'operator', { expiresDays: 30, scopes: ['read'] as const });
  const created = await client.createApiKey('ci');
  expectTypeOf<typeof created.token>().toEqualTypeOf<string>();
  const rotated = await client.rotateApiKey('ci-pipeline', 24);
  expectTypeOf<typeof rotated.token>().toEqualTypeOf<string>();
  const record: Record<string, unknown> = rotated;
  const sessions: Session[] = await new SessionManager(client).listSessions(1);
  const tasks: Task[] = await new TaskManager(alias).listTasks(1, 'pending');
  await new TaskManager(client).updateTask(1, 'done', { priority: 'high' });
  for await (const task of new TaskManager(client).iterTasks(1, 'done', { pageSize: 5 })) task satisfies Task;
  const events: RunEvent[] = await new EventStream(client).pollEvents(1, events0?.timestamp);
  const same: typeof PermissionDeniedError = ForbiddenError;
  const timeout: APIConnectionError = new APITimeoutError('too late');
  const base: AutonomiError = timeout;
  const code: number | undefined = base.statusCode;
  return void [record, sessions, tasks, events, same, code, guide, project, task];
}

export async function configured(provider: TokenProvider): Promise<void> {
  const logger: Logger = console;
  const everything: ClientOptions = {
    baseUrl: 'https://control-plane.example',
    token: provider,
    timeout: 1,
    connectTimeout: 1,
    maxRetries: 1,
    pathStyle: 'v2',
    maxConnections: 1,
    headers: { 'x-a': 'b' },
    maxBodyBytes: 1,
    appInfo: 'bot/1',
    proxy: '',
    caFile: '',
    systemRoots: true,
    clientCertFile: '',
    clientKeyFile: '',
    logger,
  };
  const sdk = new AutonomiClient(everything);
  sdk.setToken(() => 'a');
  sdk.setToken(async () => 'a');
  sdk.setToken('a');
  sdk.setToken(null);
  sdk.setToken();
  const changes: ClientChanges = { timeout: 1, maxRetries: 0, token: null, headers: new Headers() };
  const derived: AutonomiClient = sdk.withOptions(changes);
  const call: CallOptions = { headers: new Map([['x-a', 'b']]) };
  for await (const run of derived.iterRuns(1, 'running', { pageSize: 5, maxItems: 9 })) {
    expectTypeOf<typeof run>().toEqualTypeOf<Run>();
  }
  const pages: AsyncIterable<Project[]> = derived.iterProjects({ status: 'active' }).pages();
  const audit: Pager<AuditEntry> = derived.iterAudit({ action: 'rotate' }, { pageSize: 10_000 });
  const ended: Run = await derived.waitForRun('run-1', {
    timeout: 1000,
    pollInterval: 10,
    ...call,
    maxRetries: 3,
  });
  const rotation = await derived.rotateAndStore('ci', async (token: string) => token, { deleteOld: true });
  expectTypeOf<typeof rotation.oldKeyId>().toEqualTypeOf<string | undefined>();
  const temporary: TemporaryApiKey = await derived.temporaryApiKey('ci', 'operator', { expiresDays: 2 });
  const token: string = temporary.token;
  void [pages, audit, ended, token];
  const raw: RawClient = derived.raw;
  // @ts-expect-error -- a pager has no limit of its own
  derived.iterRuns(1, 'running', { limit: 10 });
  // @ts-expect-error -- nor the audit log
  derived.iterAudit({ limit: 10 });
  // @ts-expect-error -- pages have no whole answers
  raw.iterRuns(1);
  // @ts-expect-error -- nor has what is made of several calls
  raw.waitForRun(1);
  const runs = await raw.listRuns(1, 'running', { limit: 5, ...call });
  expectTypeOf<typeof runs>().toEqualTypeOf<RawResponse<Run[]>>();
  expectTypeOf<typeof runs.headers>().toEqualTypeOf<Headers>();
  const gone = await raw.deleteApiKey('ci');
  expectTypeOf<typeof gone.data>().toEqualTypeOf<void>();
  // @ts-expect-error -- an id is a number or a string
  await raw.getProject([1]);
  // @ts-expect-error -- it makes no call
  raw.close();
  // @ts-expect-error -- a base URL stays
  sdk.withOptions({ baseUrl: 'http://localhost' });
  // @ts-expect-error -- a token is text
  sdk.setToken(() => 5);
  // @ts-expect-error -- engines are not for everybody
  new AutonomiClient(5);
  // @ts-expect-error -- a logger has debug
  new AutonomiClient({ baseUrl: 'http://localhost', logger: {} });
}

export function webhooks(headers: IncomingHttpHeaders, fetched: Headers, body: Buffer): void {
  verify(body, headers, process.env.LOKI_WEBHOOK_SECRET);
  verify('', fetched, ['a', undefined, Buffer.from('b')], { tolerance: 1, now: new Date() });
  verify(new ArrayBuffer(1), [['x-loki-signature', 'a']] as const, ['a'] as const);
  const event: WebhookEvent = unwrap(body, headers, 'a');
  expectTypeOf<typeof event.type>().toEqualTypeOf<string | undefined>();
  expectTypeOf<typeof event.task_id>().toEqualTypeOf<number | string | undefined>();
  if (isApprovalRequest(event)) expectTypeOf<typeof event>().toEqualTypeOf<ApprovalRequest>();
  const signed: Record<string, string> = sign(body, 'a', { scheme: 'standard', id: 'a', timestamp: 1 });
  const error: AutonomiError = new WebhookVerificationError('no', { reason: 'too_old' });
  // @ts-expect-error -- what was parsed can no longer be checked
  verify({}, headers, 'a');
  // @ts-expect-error -- headers are needed
  verify(body, null, 'a');
  // @ts-expect-error -- there is no such scheme
  sign(body, 'a', { scheme: 'slack' });
  // @ts-expect-error -- there is no such option
  unwrap(body, headers, 'a', { toleranceSeconds: 5 });
  return void [parse(''), signed, error];
}

// The HTTP/SSE API: members have their wire names, and the type of an event says what it holds.
export async function sessions(): Promise<void> {
  const started: StartedSession = await client.startSession({ provider: 'claude', prdPath: './docs/prd.md' });
  const status: SessionStatus = await client.getSessionStatus(started.sessionId);
  const state: string = status.session.status;
  const counted: number = status.tasks.completed + status.agents.active;
  const since: string | undefined = status.session.startedAt;
  await client.getRunTimeline(1, { since: '2026-11-21T22:50:49Z', after: 7 });
  const { events } = await client.getEventHistory(started.sessionId, ['task:completed'], 10);
  console.log(state, counted, since, events.map(told));
  // @ts-expect-error -- it is prdPath, as on the wire
  await client.startSession({ prd_path: './docs/prd.md' });
}

function told(event: LiveEvent): string {
  const known: LiveEventType = 'phase:started';
  if (event.type === known) return event.data.phase;
  switch (event.type) {
    case 'task:completed':
      expectTypeOf<typeof event.data.output>().toEqualTypeOf<string | undefined>();
      // @ts-expect-error -- a task has no uptime
      console.log(event.data.uptime);
      return event.data.title;
    case 'heartbeat':
      return String(event.data.uptime + event.data.queuedTasks);
    case 'agent:output':
      expectTypeOf<typeof event.data>().toEqualTypeOf<Record<string, unknown>>();
      return String(event.data.output);
    default: {
      const type: string = event.type;
      return `${type}: ${JSON.stringify(event.data)}`;
    }
  }
}

export async function streams(signal: AbortSignal): Promise<void> {
  const stream = new EventStream(client);
  const follower: RunFollower = stream.follow(1, {
    since: new Date(),
    cursor: null,
    pollInterval: 500,
    until: async (event) => event.phase === 'VERIFY',
    timeout: 60_000,
    signal,
  });
  for await (const event of follower) {
    expectTypeOf<typeof event>().toEqualTypeOf<RunEvent>();
    break;
  }
  const cursor: string = follower.cursor;
  const status: string | null = follower.status;
  const { value, done } = await follower.next();
  if (!done) expectTypeOf<typeof value>().toEqualTypeOf<RunEvent>();
  const iterator: AsyncIterableIterator<RunEvent> = stream.followMany(new Set([1, 'run-2']), {
    until: 'paused',
  });
  stream.followMany([], {
    projectId: 1,
    since: '2026-11-21T22:50:49Z',
    until: ['paused', 'failed'] as const,
  });
  for await (const event of client.events({ types: ['task:completed', 'moon:landed'], history: 5, signal })) {
    console.log(told(event), event.sessionId);
    if (event.type === 'gap') {
      expectTypeOf<typeof event.id>().toEqualTypeOf<string | null>();
      console.log(event.data.reason);
    }
    if (event.type === 'log:warn') expectTypeOf<typeof event.id>().toEqualTypeOf<string>();
  }
  for await (const message of client.watch({ subscribe: { channel: 'tasks' } })) {
    expectTypeOf<typeof message>().toEqualTypeOf<DashboardMessage>();
  }
  const live: LiveEventStream = client.events({ sessionId: 'session-1', minLevel: 'warn' });
  const dashboard: DashboardStream = client.watch();
  await Promise.all([live.return(), dashboard.return()]);

  const loki = new LokiClient('http://localhost:57374', { token: 'loki_x', timeout: 1000 });
  const { sessionId } = await loki.startSession({ provider: 'claude', prdPath: './docs/prd.md' });
  const unsubscribe: () => void = loki.subscribe((event) => console.log(told(event)), {
    sessionId,
    onError: (error) => console.error(error),
  });
  unsubscribe();
  loki.close();
  // @ts-expect-error -- a function says yes or no
  stream.follow(1, { until: (event) => event.phase });
  // @ts-expect-error -- there is no such option
  stream.follow(1, { interval: 5 });
  // @ts-expect-error -- a project is for many
  stream.follow(1, { projectId: 1 });
  stream.followMany(new Map([[1, 'a']]).keys());
  // What every method takes, streams take, too.
  const terms = { signal, timeout: 1000, maxRetries: 3, headers: new Map([['x-a', 'b']]) };
  for (const one of [stream.follow(1, terms), client.events(terms), client.watch(terms)]) one.close();
  new LokiClient('http://localhost:57374').subscribe(() => {}, terms);
  // @ts-expect-error -- headers are strings
  client.watch({ headers: { 'x-a': 5 } });
  // @ts-expect-error -- one string is no list
  stream.followMany('12');
  // @ts-expect-error -- one string is no list
  client.events({ types: 'task:completed' });
  // @ts-expect-error -- there is no such level
  client.events({ minLevel: 'loud' });
  // @ts-expect-error -- the base URL comes first
  new LokiClient({ baseUrl: 'http://localhost:57374' });
  // @ts-expect-error -- streams are opened by clients
  new RunFollower();
  return void [cursor, status, iterator];
}

declare const events0: RunEvent | undefined;

export async function rejected(): Promise<void> {
  // @ts-expect-error -- an id is a number or a string
  await client.getProject([1]);
  // @ts-expect-error -- it is missing
  await client.getProject();
  // @ts-expect-error -- a signal is no object of options
  await client.getStatus(new AbortController().signal);
  // @ts-expect-error -- nor is a promise of one
  await client.getStatus(Promise.resolve({ timeout: 5 }));
  // @ts-expect-error -- null is no id
  await client.getRun(null);
  // @ts-expect-error -- a name is a string
  await client.createProject(5);
  // @ts-expect-error -- a title is needed
  await client.createTask(1);
  // @ts-expect-error -- hours are a number
  await client.rotateApiKey('ci-pipeline', '24');
  // @ts-expect-error -- the key is called start_date, as on the wire
  await client.queryAudit({ startDate: '2026-02-01' });
  // @ts-expect-error -- a date is text or a Date
  await client.queryAudit({ start_date: 5 });
  // @ts-expect-error -- there is no such option
  await client.listRuns(1, 'running', { limti: 10 });
  // @ts-expect-error -- milliseconds are a number
  await client.getStatus({ timeout: '5s' });
  // @ts-expect-error -- a base URL is needed
  new AutonomiClient({ token: 'loki_x' });
  // @ts-expect-error -- there is no such path style
  new AutonomiClient({ baseUrl: 'http://localhost:57374', pathStyle: 'v3' });
  // @ts-expect-error -- a manager needs a client
  new TaskManager({});
  // @ts-expect-error -- a run has no such field
  (await client.getRun(1)).finished_at;
  // @ts-expect-error -- without a token there is no such field
  (await client.listApiKeys())[0]?.token;
}
