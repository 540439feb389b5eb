//! Every limit in one place, with the AWS figure or our reason.
//!
//! "AWS" means the quotas page of the Lambda developer guide; "model" means the constraint of the service
//! model; anything else is ours and says why.

/// Default `MemorySize` (AWS).
pub const MEMORY_MB_DEFAULT: u32 = 128;
/// Smallest `MemorySize` (AWS).
pub const MEMORY_MB_MIN: u32 = 128;
/// Largest `MemorySize` of an ordinary function (AWS).
pub const MEMORY_MB_MAX: u32 = 10_240;
/// Memory that buys one full vCPU (AWS: CPU is proportional to memory).
pub const MEMORY_MB_PER_VCPU: u32 = 1_769;
/// Smallest `MemorySize` of a function with a capacity provider (AWS).
pub const MANAGED_INSTANCES_MEMORY_MB_MIN: u32 = 2_048;
/// Memory that comes with one vCPU there, in GiB, unless configured (AWS).
pub const MANAGED_INSTANCES_MEMORY_GIB_PER_VCPU_DEFAULT: u32 = 2;
/// Largest `PerExecutionEnvironmentMaxConcurrency` (AWS).
pub const INVOKES_PER_ENVIRONMENT_MAX: u32 = 1_600;

/// Default `Timeout` (AWS).
pub const TIMEOUT_S_DEFAULT: u32 = 3;
/// Largest `Timeout` of an ordinary function (AWS).
pub const TIMEOUT_S_MAX: u32 = 900;
/// Largest `Timeout` of a function that Kafka, a broker or DocumentDB runs (AWS).
pub const TIMEOUT_S_OF_BROKERS_MAX: u32 = 840;

/// Default and smallest `EphemeralStorage.Size` (AWS).
pub const EPHEMERAL_STORAGE_MB_DEFAULT: u32 = 512;
/// Largest `EphemeralStorage.Size` (AWS).
pub const EPHEMERAL_STORAGE_MB_MAX: u32 = 10_240;

/// A resource policy as it is printed (AWS).
pub const RESOURCE_POLICY_BYTES_MAX: usize = 20_480;

/// Total size of the environment variables, names and values (AWS).
pub const ENVIRONMENT_BYTES_MAX: usize = 4_096;

/// Request body of a synchronous invoke (AWS).
pub const SYNC_REQUEST_BYTES_MAX: usize = 6_291_456;
/// Response body of a buffered invoke: 6 MiB and 100 bytes, as the runtime emulator enforces it.
pub const SYNC_RESPONSE_BYTES_MAX: usize = 6_291_556;
/// Response body of a streamed invoke: 200 MB (AWS, since July 2025).
pub const STREAMED_RESPONSE_BYTES_MAX: u64 = 209_715_200;
/// What a streamed answer may send as fast as it can (AWS: the first 6 MB are not capped).
pub const STREAM_BURST_BYTES: u64 = 6_291_456;
/// How fast it goes on from there, in each second (AWS: 2 MBps).
pub const STREAM_BYTES_PER_S: u64 = 2_097_152;
/// Event of an asynchronous invoke (AWS: 1 MB since October 2025).
pub const ASYNC_REQUEST_BYTES_MAX: usize = 1_048_576;
/// Default `MaximumRetryAttempts` (AWS).
pub const ASYNC_RETRIES_DEFAULT: u32 = 2;
/// Default `MaximumEventAgeInSeconds` (AWS: six hours).
pub const ASYNC_EVENT_AGE_S_DEFAULT: u32 = 21_600;
/// From a failed first run to the second; twice that from the second to the third (AWS).
pub const ASYNC_RETRY_WAIT_MS: u64 = 60_000;
/// From the first attempt that met a throttle or a failure of the platform to the next; then twice as long each time (AWS).
pub const ASYNC_REFUSAL_WAIT_MS_MIN: u64 = 1_000;
/// The most of it (AWS).
pub const ASYNC_REFUSAL_WAIT_MS_MAX: u64 = 300_000;
/// An error object that is kept for the record of an event that fails. Ours: it is written anew at each attempt; larger ones
/// are left out of the record.
pub const KEPT_ERROR_BYTES_MAX: usize = 262_144;
/// `ErrorMessage` of a dead letter (AWS).
pub const DEAD_LETTER_MESSAGE_BYTES_MAX: usize = 1_024;
/// How long a record that cannot be delivered is tried. Ours: as long as an event itself by default; AWS names no figure.
pub const DELIVERY_AGE_MS_MAX: u64 = 21_600_000;
/// Base64 text of the client context (AWS).
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// What `LogType: Tail` returns (AWS).
pub const LOG_TAIL_BYTES_MAX: usize = 4_096;

/// A zip sent in the request (AWS).
pub const ZIP_BYTES_MAX: usize = 52_428_800;
/// The same zip in base64 with the rest of the request: the body that the front door still reads (AWS's error text).
pub const CREATE_FUNCTION_BODY_BYTES_MAX: usize = 70_167_211;
/// Everything unzipped, layers included (AWS).
pub const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// Entries of one zip. AWS names no figure; each entry costs an inode here, and no real package comes near it.
pub const ZIP_ENTRIES_MAX: usize = 300_000;

/// Open files of a function (AWS).
pub const OPEN_FILES_MAX: u64 = 1_024;
/// Processes and threads of a function (AWS).
pub const PROCESSES_MAX: u64 = 1_024;

/// The init phase of an on-demand environment (AWS).
pub const INIT_TIMEOUT_MS: u64 = 10_000;
/// Time for the init phase of an environment that provisioned concurrency keeps ready (AWS).
pub const PROVISIONED_INIT_TIMEOUT_MS: u64 = 130_000;
/// The same of an environment that runs several invokes at once (AWS).
pub const MANAGED_INSTANCES_INIT_TIMEOUT_MS: u64 = 130_000;
/// Time for the init phase before a snapshot is made, unless the function's timeout is longer (AWS).
pub const SNAPSHOT_INIT_TIMEOUT_MS: u64 = 130_000;
/// From the copy of a snapshot to its first `/next`, after-restore hooks included (AWS).
pub const RESTORE_TIMEOUT_MS: u64 = 10_000;
/// One log line; longer ones are split (AWS: 256 KB log events).
pub const LOG_LINE_BYTES_MAX: usize = 262_144;

/// Account-wide concurrent executions (AWS default).
pub const CONCURRENT_EXECUTIONS_DEFAULT: u32 = 1_000;
/// Invokes that may arrive in each second for each that may run at once (AWS).
pub const REQUESTS_PER_S_PER_CONCURRENCY: u32 = 10;
/// Execution environments that a function may have started in [`SCALING_PERIOD_S`] (AWS).
pub const SCALING_ENVIRONMENTS_DEFAULT: u32 = 1_000;
/// See [`SCALING_ENVIRONMENTS_DEFAULT`] (AWS).
pub const SCALING_PERIOD_S: u64 = 10;
/// Environments, active and idle, that all tenants of functions that isolate them may have together for each
/// [`TENANT_ENVIRONMENTS_PER_CONCURRENCY`] invokes that may run at once (AWS).
pub const TENANT_ENVIRONMENTS: u64 = 2_500;
/// See [`TENANT_ENVIRONMENTS`] (AWS).
pub const TENANT_ENVIRONMENTS_PER_CONCURRENCY: u64 = 1_000;
/// Invokes that may wait at once because the machine's environments are all in use. Ours: each holds its event, up to 6 MB, and
/// counts as running, so that most of the account's concurrency must stay for invokes that find an environment.
pub const WAITING_FOR_ROOM_MAX: usize = 250;
/// Invokes at once that must stay for functions without reserved concurrency (AWS).
pub const UNRESERVED_CONCURRENCY_MIN: u32 = 100;
/// Scalable targets of one account and region (AWS).
pub const SCALABLE_TARGETS_MAX: usize = 500;
/// Scheduled actions of one scalable target (AWS).
pub const SCHEDULED_ACTIONS_MAX: usize = 200;
/// Tags of one scalable target (AWS).
pub const SCALABLE_TARGET_TAGS_MAX: usize = 50;
/// How long scaling activities are told of (AWS: six weeks).
pub const SCALING_ACTIVITY_DAYS: u64 = 42;
/// Scaling activities kept of one scalable target. Ours: one record holds them, and more than the last are not looked at.
pub const SCALING_ACTIVITIES_MAX: usize = 200;
/// Capacity providers of one account and region. Ours: they are only recorded, and this is plenty.
pub const CAPACITY_PROVIDERS_MAX: usize = 1_000;
/// Code storage reported by `GetAccountSettings` (AWS default).
pub const TOTAL_CODE_SIZE_BYTES: u64 = 80_530_636_800;

/// REST APIs of an account and region (AWS, of regional ones).
pub const REST_APIS_MAX: usize = 600;
/// Resources of a REST API (AWS).
pub const REST_API_RESOURCES_MAX: usize = 300;
/// Stages of a REST API (AWS).
pub const REST_API_STAGES_MAX: usize = 10;
/// Authorizers of a REST API (AWS).
pub const REST_API_AUTHORIZERS_MAX: usize = 10;
/// Stage variables of a stage (AWS).
pub const STAGE_VARIABLES_MAX: usize = 100;
/// Letters of the name of a stage variable (AWS).
pub const STAGE_VARIABLE_NAME_MAX: usize = 64;
/// Letters of the value of a stage variable (AWS).
pub const STAGE_VARIABLE_VALUE_MAX: usize = 512;
/// API keys of an account and region (AWS).
pub const API_KEYS_MAX: usize = 10_000;
/// Usage plans of an account and region (AWS).
pub const USAGE_PLANS_MAX: usize = 300;
/// Usage plans that one API key may be in (AWS).
pub const USAGE_PLANS_PER_KEY_MAX: usize = 10;
/// Tags of one part of API Gateway (AWS).
pub const API_GATEWAY_TAGS_MAX: usize = 50;
/// How long an integration of a REST API may take (AWS, default quota).
pub const REST_INTEGRATION_TIMEOUT_MS_MAX: u32 = 29_000;
/// The least it may be given (AWS).
pub const REST_INTEGRATION_TIMEOUT_MS_MIN: u32 = 50;
/// Seconds for which an authorizer's decision may be kept (AWS).
pub const AUTHORIZER_TTL_S_MAX: u32 = 3_600;
/// Seconds for which it is kept by default (AWS).
pub const AUTHORIZER_TTL_S_DEFAULT: u32 = 300;
/// How long an authorizer's function may take (AWS).
pub const AUTHORIZER_TIMEOUT_MS: u32 = 10_000;
/// Requests in a second of an account and region (AWS, default quota).
pub const GATEWAY_RATE_PER_S: f64 = 10_000.0;
/// Requests at once beyond the rate (AWS, default quota).
pub const GATEWAY_BURST: u32 = 5_000;
/// An API definition that is imported (AWS).
pub const API_DEFINITION_BYTES_MAX: usize = 6 << 20;

/// Body of a request to a load balancer's target, and of its answer (AWS).
pub const LOAD_BALANCER_BYTES_MAX: usize = 1 << 20;
/// Body of a request to an API, and of its answer (AWS). The event that is made of it has the limit of its invoke as well.
pub const API_REQUEST_BYTES_MAX: usize = 10 << 20;
/// APIs of one account and region (AWS).
pub const HTTP_APIS_MAX: usize = 600;
/// Routes of one API (AWS).
pub const HTTP_API_ROUTES_MAX: usize = 300;
/// Integrations of one API (AWS).
pub const HTTP_API_INTEGRATIONS_MAX: usize = 300;
/// Stages of one API (AWS).
pub const HTTP_API_STAGES_MAX: usize = 10;
/// Authorizers of one API (AWS).
pub const HTTP_API_AUTHORIZERS_MAX: usize = 10;
/// Deployments of one API. Ours: AWS has no number, and one record names them.
pub const HTTP_API_DEPLOYMENTS_MAX: usize = 1_000;
/// Audiences of one authorizer (AWS).
pub const HTTP_API_AUDIENCES_MAX: usize = 50;
/// Scopes of one route (AWS).
pub const HTTP_API_SCOPES_MAX: usize = 10;
/// Variables of one stage (AWS).
pub const HTTP_API_STAGE_VARIABLES_MAX: usize = 100;
/// Characters of a variable's name (AWS).
pub const HTTP_API_STAGE_VARIABLE_NAME_MAX: usize = 64;
/// Characters of a variable's value (AWS).
pub const HTTP_API_STAGE_VARIABLE_VALUE_MAX: usize = 512;
/// Custom domain names of one account and region (AWS).
pub const HTTP_API_DOMAIN_NAMES_MAX: usize = 120;
/// API mappings of one custom domain name (AWS).
pub const HTTP_API_MAPPINGS_MAX: usize = 200;
/// Tags of one resource (AWS).
pub const HTTP_API_TAGS_MAX: usize = 50;
/// Characters of a name, a description or a version. Ours: the model bounds none of them.
pub const HTTP_API_TEXT_MAX: usize = 1_024;
/// Identity sources of one authorizer. Ours, like the above.
pub const HTTP_API_IDENTITY_SOURCES_MAX: usize = 20;
/// Values of each list of a CORS configuration. Ours, like the above.
pub const HTTP_API_CORS_VALUES_MAX: usize = 100;

/// The shortest and the longest time that an integration may take; the longest is also the usual one (AWS).
pub const HTTP_API_TIMEOUT_MS: std::ops::RangeInclusive<u32> = 50..=30_000;

/// A frame from a client of a WebSocket API; a larger one closes the connection with 1009 (AWS).
pub const WEBSOCKET_FRAME_BYTES_MAX: usize = 32 << 10;
/// A message of a WebSocket API, in either direction (AWS).
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 128 << 10;
/// A connection on which nothing is said for so long is closed (AWS).
pub const WEBSOCKET_IDLE_MAX: std::time::Duration = std::time::Duration::from_secs(10 * 60);
/// No connection lasts longer (AWS).
pub const WEBSOCKET_CONNECTION_MAX: std::time::Duration = std::time::Duration::from_secs(2 * 60 * 60);
/// The shortest and the longest time that an integration of a WebSocket API may take (AWS).
pub const WEBSOCKET_TIMEOUT_MS_MIN: i64 = 50;
/// See [`WEBSOCKET_TIMEOUT_MS_MIN`].
pub const WEBSOCKET_TIMEOUT_MS_MAX: i64 = 29_000;
/// The key of a route of a WebSocket API. Ours: the model bounds none.
pub const WEBSOCKET_ROUTE_KEY_BYTES_MAX: usize = 128;
/// Connections of all WebSocket APIs of one server. Ours, and less than all connections, so that the rest of the server
/// is still reached.
pub const WEBSOCKET_CONNECTIONS_MAX: usize = 8_192;
/// Messages of one connection whose functions run at once; the next one is read when one of them is done. Ours.
pub const WEBSOCKET_MESSAGES_RUNNING_MAX: usize = 16;
/// What waits to be sent to one client, each message counted with [`WEBSOCKET_WAITING_OVERHEAD_BYTES`]; more is refused
/// with 429 (AWS has such a limit and does not tell it).
pub const WEBSOCKET_WAITING_BYTES_MAX: usize = 512 << 10;
/// What each message that waits costs beside its content.
pub const WEBSOCKET_WAITING_OVERHEAD_BYTES: usize = 256;
/// A client that does not take a message for so long is given up. Ours.
pub const WEBSOCKET_STALL_MAX: std::time::Duration = std::time::Duration::from_secs(20);

const _: () = {
    assert!(WEBSOCKET_FRAME_BYTES_MAX <= WEBSOCKET_MESSAGE_BYTES_MAX);
    assert!(WEBSOCKET_WAITING_BYTES_MAX >= WEBSOCKET_MESSAGE_BYTES_MAX + WEBSOCKET_WAITING_OVERHEAD_BYTES);
};

const _: () = {
    assert!(MEMORY_MB_MIN <= MEMORY_MB_DEFAULT && MEMORY_MB_DEFAULT <= MEMORY_MB_MAX);
    assert!(EPHEMERAL_STORAGE_MB_DEFAULT <= EPHEMERAL_STORAGE_MB_MAX);
    assert!(CREATE_FUNCTION_BODY_BYTES_MAX > ZIP_BYTES_MAX / 3 * 4, "a zip of the largest size must fit in base64");
    assert!(WAITING_FOR_ROOM_MAX <= CONCURRENT_EXECUTIONS_DEFAULT as usize / 4, "most invokes need no room");
    assert!(SYNC_RESPONSE_BYTES_MAX > SYNC_REQUEST_BYTES_MAX);
};
