//! The Python face: annotated source for clients and helper classes, native model classes and their stub.

mod classes;
mod paging;

use std::collections::BTreeSet;

use loki_mode_spec::{
    Bridge, EVENT_TYPES, Location, Manager, Need, Operation, Param, ParamType, Returns, enumerations,
    operations,
};
use minijinja::{Environment, context};
use serde::Serialize;

use crate::Output;
use crate::sentences::with_known;
use classes::{Enumeration, class, classes, fields_known, open};

/// Columns of a line of Python: fewer than `line-length` in pyproject.toml allows, for `help()` in a terminal.
const WIDTH: usize = 100;

const FOLDER: &str = "bindings-python/loki_mode_sdk/generated";

/// Errors that every operation can raise beside its own.
const COMMON_ERRORS: &[(&str, &str)] = &[
    ("AuthenticationError", "The token is missing or not valid (401)."),
    ("PermissionDeniedError", "The token lacks the scope for this (403)."),
    ("ValidationError", "The server refused an argument (400, 422)."),
    ("RateLimitError", "Too many requests (429)."),
    ("NotAvailableError", "This server does not offer it (410, 501 and the like)."),
    ("ServerError", "The server failed (5xx)."),
    ("APITimeoutError", "The call took longer than its timeout."),
    ("APIConnectionError", "The server cannot be reached, or the connection was lost."),
    ("DecodeError", "The answer is not what the operation returns."),
    ("ConfigError", "An argument cannot be sent; nothing was."),
    ("TypeError", "An argument has the wrong type; nothing was sent."),
];

pub(crate) fn outputs() -> Vec<Output> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    let classes: Vec<_> = classes().into_iter().map(class).collect();
    let operations: Vec<_> = operations().map(operation).collect();
    let render = |template: &str, values| {
        environment.render_str(template, values).expect("the template and what it is given belong together")
    };
    // One template for both faces of a thing: the async one has another prefix, and awaits.
    let python = |name: &str, template: &str, values: minijinja::Value| Output {
        path: format!("{FOLDER}/{name}"),
        text: render(template, context! { aio => name.starts_with("aio_"), ..values }),
    };
    let paged = |name: &str, aio: bool| {
        let operations = paging::all(aio);
        let models: BTreeSet<_> = operations.iter().map(|operation| operation.items).collect();
        let known: BTreeSet<_> =
            operations.iter().flat_map(|operation| operation.known.iter().copied()).collect();
        let template = include_str!("../templates/python/paging.py.j2");
        python(name, template, context! { operations, models, known })
    };
    let client_template = include_str!("../templates/python/client.py.j2");
    let raw_template = include_str!("../templates/python/raw.py.j2");
    let raw_stub_template = include_str!("../templates/python/raw.pyi.j2");
    let managers_template = include_str!("../templates/python/managers.py.j2");
    let records: BTreeSet<_> = loki_mode_spec::operations()
        .filter_map(|operation| match operation.returns {
            Returns::Record(model) => Some(model.name),
            _ => None,
        })
        .collect();
    let client = || {
        let models = used_models(operations.iter());
        context! { operations, models, records, known => used_known(operations.iter()) }
    };
    let loki_methods = loki_methods();
    let loki_template = include_str!("../templates/python/loki.py.j2");
    let loki = |aio: bool| {
        let paged = paged_where(aio, |operation| operation.loki_method.is_some());
        let (mut models, known) = (used_models(loki_methods.iter()), used_known(loki_methods.iter()));
        models.extend(paged.iter().map(|operation| operation.items));
        context! { operations => loki_methods, paged, models, known }
    };
    let known: Vec<_> = enumerations().map(Enumeration::new).collect();
    let model_known = fields_known();
    let event_types: Vec<_> = EVENT_TYPES.iter().map(|event| event.name).collect();
    let managers = |aio: bool| {
        let managers = [Manager::Sessions, Manager::Tasks].map(|of| manager(of, aio));
        let operations = || managers.iter().flat_map(|manager| &manager.operations);
        let (mut models, known) = (used_models(operations()), used_known(operations()));
        let paged = managers.iter().flat_map(|manager| &manager.paged);
        models.extend(paged.map(|operation| operation.items));
        context! { managers, models, known, any => needs_any(&managers) }
    };
    vec![
        python("__init__.py", include_str!("../templates/python/init.py.j2"), context! {}),
        python("client.py", client_template, client()),
        python("aio_client.py", client_template, client()),
        paged("paging.py", false),
        paged("aio_paging.py", true),
        python("raw.py", raw_template, context! {}),
        python("aio_raw.py", raw_template, context! {}),
        python("raw.pyi", raw_stub_template, client()),
        python("aio_raw.pyi", raw_stub_template, client()),
        python("managers.py", managers_template, managers(false)),
        python("aio_managers.py", managers_template, managers(true)),
        python("loki.py", loki_template, loki(false)),
        python("aio_loki.py", loki_template, loki(true)),
        python("live.py", include_str!("../templates/python/live.py.j2"), context! { event_types }),
        python("known.py", include_str!("../templates/python/known.py.j2"), context! { known }),
        python("models.py", include_str!("../templates/python/models.py.j2"), context! { classes }),
        python(
            "models.pyi",
            include_str!("../templates/python/models.pyi.j2"),
            context! { classes, known => model_known },
        ),
        Output {
            path: "bindings-python/src/generated/models.rs".to_owned(),
            text: render(include_str!("../templates/python/models.rs.j2"), context! { classes }),
        },
    ]
}

#[derive(Serialize)]
struct ManagerClass {
    name: &'static str,
    doc: &'static str,
    operations: Vec<PythonOperation>,
    paged: Vec<paging::PagedOperation>,
}

fn manager(manager: Manager, aio: bool) -> ManagerClass {
    let doc = match manager {
        Manager::Sessions => "The sessions of projects, through a client.",
        Manager::Tasks => "Tasks, through a client.",
    };
    let operations = operations().filter(|operation| operation.manager == Some(manager)).map(operation);
    let paged = paged_where(aio, |operation| operation.manager == Some(manager));
    ManagerClass { name: manager.class_name(), doc, operations: operations.collect(), paged }
}

/// The methods that go through the lists of some of the operations.
fn paged_where(aio: bool, wanted: impl Fn(&Operation) -> bool) -> Vec<paging::PagedOperation> {
    let wanted = operations().filter(|operation| wanted(operation));
    wanted.filter_map(|operation| paging::paged(operation, aio)).collect()
}

#[derive(Serialize)]
struct PythonOperation {
    name: &'static str,
    /// The name of the method, where that is another than the operation's.
    method: &'static str,
    /// The docstring without its quotes, indented.
    doc: String,
    /// Whole parameters with annotation and default.
    positional: Vec<String>,
    keyword: Vec<String>,
    /// The names of all parameters, in the order of the table.
    positional_names: Vec<&'static str>,
    keyword_names: Vec<&'static str>,
    /// The tuple of arguments for the native module, over several lines if it is long.
    arguments: String,
    returns: String,
    #[serde(skip)]
    model: Option<&'static str>,
    /// The enumerations that the parameters name.
    #[serde(skip)]
    known: Vec<&'static str>,
}

fn operation(operation: &'static Operation) -> PythonOperation {
    let (positional, keyword): (Vec<_>, Vec<_>) = operation.params.iter().partition(|param| param.positional);
    let names = |params: &[&'static Param]| params.iter().map(|param| param.name).collect::<Vec<_>>();
    let returns = match operation.returns {
        Returns::Nothing => "None".to_owned(),
        Returns::Object => "dict[str, Any]".to_owned(),
        Returns::Model(model) | Returns::Record(model) => model.name.to_owned(),
        Returns::List(model, _) => format!("list[{}]", model.name),
    };
    PythonOperation {
        name: operation.name,
        method: operation.name,
        doc: docstring(operation),
        positional: positional.iter().map(|param| parameter(param)).collect(),
        keyword: keyword.iter().map(|param| parameter(param)).collect(),
        positional_names: names(&positional),
        keyword_names: names(&keyword),
        arguments: tuple(operation.params.iter().map(|param| param.name), 12),
        returns,
        model: match operation.returns {
            Returns::Model(model) | Returns::List(model, _) => Some(model.name),
            Returns::Nothing | Returns::Object | Returns::Record(_) => None,
        },
        known: params_known(operation),
    }
}

/// The enumerations that the parameters of an operation name.
fn params_known(operation: &Operation) -> Vec<&'static str> {
    let known = operation.params.iter().map(|param| param.known);
    known.filter(|known| !known.is_empty()).map(|known| known.name).collect()
}

/// The operations that `LokiClient` offers.
fn loki_methods() -> Vec<PythonOperation> {
    let offered = operations().filter_map(|operation| Some((operation, operation.loki_method?)));
    offered.map(|(of, method)| PythonOperation { method, ..operation(of) }).collect()
}

fn used_models<'a>(operations: impl Iterator<Item = &'a PythonOperation>) -> BTreeSet<&'static str> {
    operations.filter_map(|operation| operation.model).collect()
}

fn used_known<'a>(operations: impl Iterator<Item = &'a PythonOperation>) -> BTreeSet<&'static str> {
    operations.flat_map(|operation| operation.known.iter().copied()).collect()
}

/// Whether a signature says `Any`, which has to be imported then.
fn needs_any(managers: &[ManagerClass]) -> bool {
    managers.iter().flat_map(|manager| &manager.operations).any(|operation| {
        let parameters = operation.positional.iter().chain(&operation.keyword);
        parameters.chain([&operation.returns]).any(|text| text.contains("Any"))
    })
}

fn parameter(param: &Param) -> String {
    let ty = match param.ty {
        ParamType::Id => "int | str",
        ParamType::Str => "str",
        // A `datetime` is a `date`, too.
        ParamType::Timestamp => "str | date",
        ParamType::Int => "int",
        ParamType::Bool => "bool",
        ParamType::StrList => "list[str]",
        ParamType::Object => "dict[str, Any]",
    };
    let ty = open(ty, param.known);
    match param.need {
        Need::Required => format!("{}: {ty}", param.name),
        Need::Optional => format!("{}: {ty} | None = None", param.name),
        Need::DefaultStr(text) => format!("{}: {ty} = \"{text}\"", param.name),
        Need::DefaultInt(number) => format!("{}: {ty} = {number}", param.name),
    }
}

/// A tuple as the formatter would have it, `indent` columns in and followed by a comma.
fn tuple(names: impl Iterator<Item = &'static str> + Clone, indent: usize) -> String {
    let all = names.clone().collect::<Vec<_>>();
    let line = match all.as_slice() {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(", ")),
    };
    if indent + line.len() < WIDTH {
        return line;
    }
    let pad = " ".repeat(indent);
    let lines: String = all.iter().map(|name| format!("{pad}    {name},\n")).collect();
    format!("(\n{lines}{pad})")
}

/// The docstring of a method: what it does, the endpoint, arguments, result, errors.
fn docstring(operation: &Operation) -> String {
    const INDENT: usize = 8;
    let pad = " ".repeat(INDENT);
    let (summary, rest) = first_sentence(operation.doc);
    let mut text = format!("{}\n", wrap(summary, INDENT + 3, INDENT));
    if !rest.is_empty() {
        text.push_str(&format!("\n{pad}{}\n", wrap(rest, INDENT, INDENT)));
    }
    text.push_str(&format!("\n{pad}{}\n\n{pad}Args:\n", wrap(&endpoint(operation), INDENT, INDENT)));
    let mut item = |name: &str, doc: &str| {
        let entry = format!("{name}: {doc}");
        text.push_str(&format!("{pad}    {}\n", wrapped_hanging(&entry, INDENT + 4)));
    };
    for param in operation.params {
        let mut doc = with_known(param.doc, param.known);
        if let Some(other) = param.replaced_by {
            doc.push_str(&format!(" Not sent if `{other}` is given instead."));
        }
        item(param.name, &doc);
    }
    item("timeout", "Seconds that the call may take, retries included. Default: the client's.");
    item("max_retries", "How often a failed attempt is repeated where that is safe. Default: the client's.");
    item("headers", "Headers to send with this call, beside the client's.");
    text.push_str(&format!("\n{pad}Returns:\n"));
    let mut item = |doc: &str| {
        text.push_str(&format!("{pad}    {}\n", wrapped_hanging(doc, INDENT + 4)));
    };
    match operation.returns {
        Returns::Nothing => item("Nothing."),
        Returns::Object => item("What the server sent, as a dict."),
        Returns::Model(model) => item(&format!("A `{}`.", model.name)),
        Returns::List(model, _) => item(&format!("A list of `{}`, empty if there are none.", model.name)),
        Returns::Record(model) => {
            let fields: Vec<_> = model.fields.iter().map(|field| format!("`{}`", field.wire)).collect();
            item(&format!("A dict whose secret values its `repr` masks, with {}.", fields.join(", ")));
        }
    }
    text.push_str(&format!("\n{pad}Raises:\n"));
    let has_id = operation.params.iter().any(|param| param.location == Location::Path);
    let not_found = has_id.then_some(("NotFoundError", "There is no such thing (404)."));
    let conflict = has_states(operation).then_some((
        "ConflictError",
        "It is in a state in which that cannot be done; the message names the state (409).",
    ));
    for (name, doc) in not_found.iter().chain(&conflict).chain(COMMON_ERRORS) {
        text.push_str(&format!("{pad}    {}\n", wrapped_hanging(&format!("{name}: {doc}"), INDENT + 4)));
    }
    text.push_str(&pad);
    text
}

/// Where a call goes.
fn endpoint(operation: &Operation) -> String {
    let method = operation.method.as_str();
    match operation.v2_path {
        Some(path) => {
            format!("Endpoint: `{method} {}` (deployed servers: `{method} {path}`).", operation.path)
        }
        None => format!("Endpoint: `{method} {}`.", operation.path),
    }
}

/// Whether it can be refused for the state of what it is done to.
fn has_states(operation: &Operation) -> bool {
    operation.bridges.iter().any(|bridge| matches!(bridge, Bridge::NotFoundOrWrongState(_)))
}

/// The first sentence, which has to fit in a line, and the others.
fn first_sentence(doc: &str) -> (&str, &str) {
    match doc.find(". ") {
        Some(end) => (&doc[..=end], &doc[end + 2..]),
        None => (doc, ""),
    }
}

/// A docstring without its quotes: the first sentence, and the others as a paragraph of their own.
fn summary_and_rest(doc: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let (summary, rest) = first_sentence(doc);
    // Quotes on either side.
    if indent + 6 + doc.chars().count() <= WIDTH {
        return doc.to_owned();
    }
    if rest.is_empty() {
        return format!("{}\n{pad}", wrap(summary, indent + 3, indent));
    }
    format!("{summary}\n\n{pad}{}\n{pad}", wrap(rest, indent, indent))
}

/// The text in lines whose later ones are four columns further in, as items of a section are.
fn wrapped_hanging(text: &str, indent: usize) -> String {
    wrap(text, indent, indent + 4)
}

/// The text in lines of at most `WIDTH` columns; the first begins at column `first`, the others at `later`.
fn wrap(text: &str, first: usize, later: usize) -> String {
    let mut out = String::new();
    let mut column = first;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if out.is_empty() {
            column += length;
        } else if column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(later));
            column = later + length;
        } else {
            out.push(' ');
            column += 1 + length;
        }
        out.push_str(word);
    }
    out
}
