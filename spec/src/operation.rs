//! The vocabulary of the table: what can be said about an operation, a parameter, a model and a field.

use crate::known::Known;

/// The HTTP method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; may always be repeated.
    Get,
    /// Creates or acts; never repeated by the SDK once it may have reached the server.
    Post,
    /// Replaces fields; repeating it gives the same result.
    Put,
    /// Removes; repeating it gives the same result.
    Delete,
}

impl Method {
    /// The method as it stands in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// One endpoint: everything the SDKs, the documentation and the local control plane know about it.
#[derive(Debug)]
pub struct Operation {
    /// The name in snake case; the TypeScript name is the same in camel case.
    pub name: &'static str,
    /// What it does: a sentence that can stand alone, then whatever a caller has to know.
    pub doc: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path of the SDK guide, with `{parameter}` for each path parameter.
    pub path: &'static str,
    /// The path on deployed servers, where it differs (`/api/v2/...`).
    pub v2_path: Option<&'static str>,
    /// The parameters, in the order in which positional arguments are taken.
    pub params: &'static [Param],
    /// What a successful answer holds.
    pub returns: Returns,
    /// Whether a second execution changes nothing: decides what may be retried.
    pub idempotent: bool,
    /// What has to be mended on the way so that the guide's promise holds on the servers that exist.
    pub bridges: &'static [Bridge],
    /// The status of a success.
    pub success: u16,
    /// The operation of which this one is another view: they share method and path, and differ in what is made of the
    /// answer.
    pub view_of: Option<&'static str>,
    /// The helper class that offers this operation too, beside the client itself.
    pub manager: Option<Manager>,
    /// The name of the method of `LokiClient` that is this operation.
    pub loki_method: Option<&'static str>,
    /// How the TypeScript face takes its parameters.
    pub typescript_arguments: TypeScriptArguments,
    /// How all of a long list is had.
    pub paging: Option<Paging>,
}

/// How a long list is had page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// The name in snake case of the method that gives all items.
    pub method: &'static str,
    /// The parameter that says how many items a page has at the most.
    pub limit: &'static str,
    /// The parameter that says how many items stand before the page.
    pub offset: &'static str,
    /// The longest page that servers give.
    pub largest: i64,
}

impl Operation {
    /// What a page is a list of, and the keys under which that list may stand; none where it is not paged.
    pub fn paged_items(&self) -> Option<PagedItems> {
        self.paging?;
        match self.returns {
            Returns::List(model, keys) => Some((model, keys)),
            Returns::Model(model) => model.fields.iter().find_map(|field| match field.ty {
                FieldType::List(items) => Some((items, std::slice::from_ref(&field.wire))),
                _ => None,
            }),
            Returns::Nothing | Returns::Object | Returns::Record(_) => None,
        }
    }
}

impl Returns {
    /// The model that it holds one or several of.
    pub const fn model(&self) -> Option<&'static Model> {
        match self {
            Returns::Nothing | Returns::Object => None,
            Returns::Model(model) | Returns::Record(model) | Returns::List(model, _) => Some(model),
        }
    }
}

/// A model, and the keys under which a list of it may stand.
pub type PagedItems = (&'static Model, &'static [&'static str]);

/// A helper class of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// `SessionManager`
    Sessions,
    /// `TaskManager`
    Tasks,
}

impl Manager {
    /// The class name, the same in both languages.
    pub const fn class_name(self) -> &'static str {
        match self {
            Manager::Sessions => "SessionManager",
            Manager::Tasks => "TaskManager",
        }
    }
}

/// How the TypeScript face takes an operation's positional parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeScriptArguments {
    /// One argument after the other: `listRuns(projectId?, status?, options?)`.
    Positional,
    /// One object, named here, whose members have their wire names: `queryAudit(params?: AuditQueryParams, options?)`.
    Object(&'static str),
}

/// Where a parameter travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// A `{segment}` of the path.
    Path,
    /// The query string.
    Query,
    /// A field of the JSON body.
    Body,
}

/// One parameter of an operation.
#[derive(Debug)]
pub struct Param {
    /// The name in snake case, by which the table, Python and Rust know it.
    pub name: &'static str,
    /// The name on the wire, and of a member of a TypeScript object.
    pub wire: &'static str,
    /// What it means, with its unit and its range.
    pub doc: &'static str,
    /// Where it travels.
    pub location: Location,
    /// The type it takes.
    pub ty: ParamType,
    /// Whether it can be left out, and what is sent then.
    pub need: Need,
    /// Taken by position, as in the guide; otherwise by keyword (Python) or in the options object (TypeScript).
    pub positional: bool,
    /// Known values, if it is an open enumeration.
    pub known: &'static Known,
    /// The parameter that is sent instead of this one's default when it is given.
    pub replaced_by: Option<&'static str>,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// An identifier: an integer or a string, sent as given.
    Id,
    /// A string.
    Str,
    /// A date, or a date with a time: text as servers write it, or what the language has for it.
    Timestamp,
    /// An integer.
    Int,
    /// True or false.
    Bool,
    /// A list of strings.
    StrList,
    /// A free-form JSON object.
    Object,
}

/// Whether a parameter can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must be given.
    Required,
    /// Left out, it is not sent.
    Optional,
    /// Left out, this string is sent.
    DefaultStr(&'static str),
    /// Left out, this integer is sent.
    DefaultInt(i64),
}

/// What a successful answer holds.
#[derive(Debug, Clone, Copy)]
pub enum Returns {
    /// Nothing: the body, if any, is ignored.
    Nothing,
    /// A free-form JSON object: a `dict` in Python, a `Record<string, unknown>` in TypeScript.
    Object,
    /// One instance of a model.
    Model(&'static Model),
    /// A JSON object that the guide shows as a plain mapping although its fields are known: a `dict` in Python,
    /// an interface in TypeScript. Its secret fields are masked whenever it is printed.
    Record(&'static Model),
    /// A list of model instances: a bare JSON array, or an object that holds it under one of the given keys.
    List(&'static Model, &'static [&'static str]),
}

/// A group of named, typed fields.
#[derive(Debug)]
pub struct Model {
    /// The class or interface name.
    pub name: &'static str,
    /// What it stands for.
    pub doc: &'static str,
    /// The fields, in the order in which the constructor takes them.
    pub fields: &'static [Field],
}

/// One field of a model.
#[derive(Debug)]
pub struct Field {
    /// The name in snake case, by which Python and Rust know it.
    pub name: &'static str,
    /// The name on the wire, in TypeScript's interfaces and in Python's dicts.
    pub wire: &'static str,
    /// What it means, with its unit and its format.
    pub doc: &'static str,
    /// The type of a value that is there.
    pub ty: FieldType,
    /// Whether it is always there.
    pub presence: Presence,
    /// Never shown when the object is printed.
    pub secret: bool,
    /// Known values, if it is an open enumeration.
    pub known: &'static Known,
}

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub enum FieldType {
    /// An identifier, kept as on the wire: an integer or a string. TypeScript's interfaces say `number`.
    Id,
    /// A string.
    Str,
    /// A string that some servers send as an integer: kept as on the wire, typed as a string.
    Label,
    /// An integer.
    Int,
    /// A number.
    Float,
    /// True or false.
    Bool,
    /// A list of strings.
    StrList,
    /// A free-form JSON object.
    Object,
    /// Any JSON value.
    Json,
    /// A date and time, kept as the string that the server sent.
    Timestamp,
    /// One instance of another model.
    Model(&'static Model),
    /// A list of instances of another model.
    List(&'static Model),
}

/// Whether a field is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// An answer without it, or with null, is not what the operation returns: decoding fails.
    Required,
    /// Documented as always there and typed so; a server that leaves it out is tolerated.
    Expected,
    /// May be missing or null.
    Optional,
}

/// A place where the servers that exist do not do what the guide says, and what the engine does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bridge {
    /// A task status that the server refuses while naming its own words is sent once more under the server's word
    /// (`completed` where it knows `done`).
    TaskStatusNames,
    /// A server without this route: the list comes from `/api/status`.
    SessionsFromStatus,
    /// A server without session routes: the list with its counts comes from `/api/status`.
    AllSessionsFromStatus,
    /// A server without session routes: the one session is looked up in `/api/status`.
    SessionFromStatus,
    /// An empty timeline answered for a run that the server does not know becomes "not found".
    TimelineOfUnknownRun,
    /// `entries_checked` missing at the top of an audit verification is the sum over its files.
    AuditEntriesChecked,
    /// Servers compare dates with the days of their logs, as text: `start_date` and `end_date` are sent as days, and
    /// finer ones are looked after on this side, page by page.
    AuditDays,
    /// A refusal for want of `tenant_id` is explained.
    TenantRequired,
    /// A 404 that also means "not in a state in which it can be" cancelled, say, is explained; holds that word.
    NotFoundOrWrongState(&'static str),
    /// A 400 that says that the key does not exist becomes "not found".
    KeyNotFoundAs400,
    /// A session that comes with the counts of its tasks and agents, in camel case, is taken out and renamed.
    SessionInStatus,
    /// A session that comes without the counts of its tasks and agents is wrapped as if it had come with them.
    StatusOfSession,
    /// A 503 with a JSON object that has a `status` is an answer about the server's health, and not a failure.
    HealthIn503,
    /// An empty body where an object is due is an empty object.
    EmptyBody,
}
