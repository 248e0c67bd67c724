//! Writes the TypeScript face: the client, the manager classes, the interfaces and the table by which arguments are
//! checked. What it returns is already as biome formats it.

mod paging;

use std::collections::BTreeSet;

use loki_mode_spec::{
    Bridge, CHAPTERS, EVENT_TYPES, Field, FieldType, LIVE_EVENT, Manager, Model, Need, Operation, Param,
    ParamType, Presence, Returns, TypeScriptArguments, operation, operations,
};
use minijinja::{Environment, Value, context};
use serde::Serialize;

use crate::Output;

/// The line width of `biome.json`.
const WIDTH: usize = 110;

const TEMPLATES: [(&str, &str); 5] = [
    ("client.ts", include_str!("../templates/typescript/client.ts.j2")),
    ("loki.ts", include_str!("../templates/typescript/loki.ts.j2")),
    ("managers.ts", include_str!("../templates/typescript/managers.ts.j2")),
    ("models.ts", include_str!("../templates/typescript/models.ts.j2")),
    ("operations.ts", include_str!("../templates/typescript/operations.ts.j2")),
];

pub(crate) fn outputs() -> Vec<Output> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    let data = data();
    TEMPLATES
        .into_iter()
        .map(|(name, template)| Output {
            path: format!("bindings-node/ts/generated/{name}"),
            text: environment
                .render_str(template, &data)
                .unwrap_or_else(|error| panic!("the template of {name} fits its data: {error:#}")),
        })
        .collect()
}

fn data() -> Value {
    let methods: Vec<Method> =
        operations().flat_map(|of| [Some(Method::new(of)), paging::method(of)]).flatten().collect();
    let managers: Vec<ManagerClass> =
        [Manager::Sessions, Manager::Tasks].into_iter().map(ManagerClass::new).collect();
    let chapters: Vec<ModelChapter> = CHAPTERS.iter().map(ModelChapter::new).collect();
    let tables: Vec<String> = operations().map(operation_table).collect();
    context! {
        methods,
        client_imports => imports(operations()),
        loki_methods => loki_methods(),
        loki_imports => imports(operations().filter(|operation| operation.loki_method.is_some())),
        managers,
        manager_imports => imports(operations().filter(|operation| operation.manager.is_some())),
        chapters,
        event_data => event_data(),
        event_types => event_types(),
        tables,
    }
}

/// The import of all interfaces that the signatures of these operations name.
fn imports(operations: impl Iterator<Item = &'static Operation>) -> String {
    let mut names = BTreeSet::new();
    for operation in operations {
        names.extend(paging::names(operation));
        names.extend(returned_model(operation).map(|model| model.name.to_owned()));
        names.extend(options_interface(operation));
        if let TypeScriptArguments::Object(interface) = operation.typescript_arguments {
            names.insert(interface.to_owned());
        }
        if positional(operation).any(|param| !param.known.is_empty()) {
            names.insert("Known".to_owned());
        }
    }
    // biome sorts names without regard to case.
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_by_key(|name| name.to_lowercase());
    fitted(0, "import type {", " ", &names, "} from './models.js';")
}

/// One method of the client.
#[derive(Serialize)]
struct Method {
    doc: String,
    signature: String,
    body: String,
}

impl Method {
    fn new(operation: &'static Operation) -> Self {
        let table = format!("operations.{}", operation.name.to_uppercase());
        let options = if options_interface(operation).is_some() { "options?." } else { "" };
        let arguments: Vec<String> = operation
            .params
            .iter()
            .map(|param| match operation.typescript_arguments {
                TypeScriptArguments::Object(_) => format!("params?.{}", param.wire),
                TypeScriptArguments::Positional if param.positional => camel(param.name),
                TypeScriptArguments::Positional => format!("{options}{}", camel(param.name)),
            })
            .collect();
        let mut call = vec![table, fitted(6, "[", "", &arguments, "]"), "options".to_owned()];
        if let TypeScriptArguments::Object(_) = operation.typescript_arguments {
            call.push("params".to_owned());
        }
        Method {
            doc: method_doc(operation),
            signature: signature(operation, operation.name),
            body: fitted(4, "return this.#engine.call(", "", &call, ");"),
        }
    }
}

impl Method {
    /// A method of this name that hands everything on to a client.
    fn delegating(operation: &'static Operation, name: &str, client: &str) -> Self {
        let mut arguments: Vec<String> = match operation.typescript_arguments {
            TypeScriptArguments::Object(_) => vec!["params".to_owned()],
            TypeScriptArguments::Positional => positional(operation).map(|param| camel(param.name)).collect(),
        };
        arguments.push("options".to_owned());
        let head = format!("return {client}.{}(", camel(operation.name));
        Method {
            doc: method_doc(operation),
            signature: signature(operation, name),
            body: fitted(4, &head, "", &arguments, ");"),
        }
    }
}

/// The methods of `LokiClient` that are operations.
fn loki_methods() -> Vec<Method> {
    const CLIENT: &str = "this.client";
    operations()
        .filter_map(|operation| Some((operation, operation.loki_method?)))
        .flat_map(|(of, name)| [Some(Method::delegating(of, name, CLIENT)), paging::delegating(of, CLIENT)])
        .flatten()
        .collect()
}

/// The interfaces of what events hold.
fn event_data() -> Vec<TypeDeclaration> {
    let mut seen = BTreeSet::new();
    let data = EVENT_TYPES.iter().filter_map(|event| event.data);
    data.filter(|data| seen.insert(data.name)).map(TypeDeclaration::interface).collect()
}

/// The types of events, each with what it holds.
fn event_types() -> Vec<Member> {
    EVENT_TYPES
        .iter()
        .map(|event| Member {
            doc: comment(2, &[event.doc.to_owned()]),
            text: format!(
                "{}: {};",
                key(event.name),
                event.data.map_or("Record<string, unknown>", |data| data.name)
            ),
        })
        .collect()
}

/// The key of an object member, in quotes if it has to be.
fn key(name: &str) -> String {
    if name.chars().all(|c| c.is_ascii_alphanumeric()) { name.to_owned() } else { format!("'{name}'") }
}

/// One manager class.
#[derive(Serialize)]
struct ManagerClass {
    name: &'static str,
    noun: &'static str,
    methods: Vec<Method>,
}

impl ManagerClass {
    fn new(manager: Manager) -> Self {
        const CLIENT: &str = "this.#client";
        let methods = operations()
            .filter(|operation| operation.manager == Some(manager))
            .flat_map(|of| [Some(Method::delegating(of, of.name, CLIENT)), paging::delegating(of, CLIENT)])
            .flatten()
            .collect();
        let noun = match manager {
            Manager::Sessions => "Sessions",
            Manager::Tasks => "Tasks",
        };
        ManagerClass { name: manager.class_name(), noun, methods }
    }
}

/// The interfaces of one chapter.
#[derive(Serialize)]
struct ModelChapter {
    types: Vec<TypeDeclaration>,
}

impl ModelChapter {
    fn new(chapter: &loki_mode_spec::Chapter) -> Self {
        // Live events are a union, told apart by their types.
        let models = chapter.models.iter().filter(|model| model.name != LIVE_EVENT.name);
        let models = models.map(|model| TypeDeclaration::model(chapter, model));
        let inputs = chapter.operations.iter().flat_map(|operation| {
            let (parameters, options) =
                (TypeDeclaration::parameters(operation), TypeDeclaration::options(operation));
            [parameters, options, paging::options(operation)].into_iter().flatten()
        });
        ModelChapter { types: models.chain(inputs).collect() }
    }
}

/// One exported interface or type.
#[derive(Serialize)]
struct TypeDeclaration {
    doc: String,
    open: String,
    close: &'static str,
    members: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    doc: String,
    text: String,
}

impl TypeDeclaration {
    fn model(chapter: &loki_mode_spec::Chapter, model: &'static Model) -> Self {
        let is_record = chapter.operations.iter().any(
            |operation| matches!(operation.returns, Returns::Record(record) if record.name == model.name),
        );
        // An interface is not assignable to `Record<string, unknown>`, which the guide promises; a type is.
        let interface = TypeDeclaration::interface(model);
        if is_record {
            TypeDeclaration { open: format!("export type {} = {{", model.name), close: "};", ..interface }
        } else {
            interface
        }
    }

    fn interface(model: &'static Model) -> Self {
        let members = model
            .fields
            .iter()
            .map(|field| Member {
                doc: comment(2, &[with_known(&reworded(field.doc, None), field.known)]),
                text: member_of_interface(field),
            })
            .collect();
        TypeDeclaration {
            doc: comment(0, &[reworded(model.doc, None)]),
            open: format!("export interface {} {{", model.name),
            close: "}",
            members,
        }
    }

    /// The interface of the one argument that holds all parameters.
    fn parameters(operation: &'static Operation) -> Option<Self> {
        let TypeScriptArguments::Object(name) = operation.typescript_arguments else { return None };
        Some(TypeDeclaration {
            doc: comment(0, &[format!("What `{}` takes.", camel(operation.name))]),
            open: format!("export interface {name} {{"),
            close: "}",
            members: operation.params.iter().map(|param| input(operation, param, param.wire)).collect(),
        })
    }

    /// The interface of the last argument, where it holds parameters of this operation.
    fn options(operation: &'static Operation) -> Option<Self> {
        let name = options_interface(operation)?;
        Some(TypeDeclaration {
            doc: comment(0, &[format!("Options of `{}`.", camel(operation.name))]),
            open: format!("export interface {name} extends CallOptions {{"),
            close: "}",
            members: keywords(operation).map(|param| input(operation, param, &camel(param.name))).collect(),
        })
    }
}

fn input(operation: &'static Operation, param: &'static Param, name: &str) -> Member {
    let (mark, undefined) = if param.need == Need::Required { ("", "") } else { ("?", " | undefined") };
    Member {
        doc: comment(2, &[param_doc(operation, param)]),
        text: format!("{name}{mark}: {}{undefined};", param_type(param)),
    }
}

/// The constant by which the arguments of an operation are checked and its answer is read.
fn operation_table(operation: &'static Operation) -> String {
    let entries: Vec<String> = operation
        .params
        .iter()
        .map(|param| {
            let name = match operation.typescript_arguments {
                TypeScriptArguments::Object(_) => param.wire.to_owned(),
                TypeScriptArguments::Positional => camel(param.name),
            };
            let required = if param.need == Need::Required { ", required: true" } else { "" };
            let place = match operation.typescript_arguments {
                TypeScriptArguments::Object(_) => "params",
                TypeScriptArguments::Positional if param.positional => "argument",
                TypeScriptArguments::Positional => "options",
            };
            format!("{{ name: '{name}', type: '{}', place: '{place}'{required} }}", check_type(param.ty))
        })
        .collect();
    // biome keeps a list of two or more objects open, and closes any other that fits.
    let params = match entries.as_slice() {
        [] => "[]".to_owned(),
        [one] => format!("[{one}]"),
        many => format!("[\n    {},\n  ]", many.join(",\n    ")),
    };
    let answer = match operation.returns {
        Returns::Nothing => "nothing",
        Returns::Record(_) => "secret",
        Returns::Object | Returns::Model(_) | Returns::List(..) => "data",
    };
    let method = camel(operation.name);
    let loki_method = match operation.loki_method {
        Some(name) if camel(name) != method => format!("\n  lokiMethod: '{}',", camel(name)),
        _ => String::new(),
    };
    format!(
        "export const {}: Operation = {{\n  name: '{}',\n  method: '{method}',{loki_method}\n  params: {params},\n  answer: '{answer}',{}\n}};",
        operation.name.to_uppercase(),
        operation.name,
        paging::entry(operation),
    )
}

fn signature(operation: &'static Operation, name: &str) -> String {
    let mut parameters: Vec<String> = match operation.typescript_arguments {
        TypeScriptArguments::Object(interface) => vec![format!("params?: {interface}")],
        TypeScriptArguments::Positional => positional(operation)
            .map(|param| {
                let mark = if param.need == Need::Required { "" } else { "?" };
                format!("{}{mark}: {}", camel(param.name), param_type(param))
            })
            .collect(),
    };
    let needs_options = keywords(operation).any(|param| param.need == Need::Required);
    let mark = if needs_options { "" } else { "?" };
    let interface = options_interface(operation).unwrap_or_else(|| "CallOptions".to_owned());
    parameters.push(format!("options{mark}: {interface}"));
    let tail = format!("): Promise<{}> {{", returned_type(operation));
    fitted(2, &format!("{}(", camel(name)), "", &parameters, &tail)
}

fn method_doc(operation: &'static Operation) -> String {
    let mut paragraphs = vec![reworded(operation.doc, Some(operation)), String::new()];
    let method = operation.method.as_str();
    paragraphs.push(match operation.v2_path {
        Some(v2) => format!("`{method} {}`, on deployed servers `{method} {v2}`.", operation.path),
        None => format!("`{method} {}`.", operation.path),
    });
    paragraphs.push(String::new());
    if let TypeScriptArguments::Object(_) = operation.typescript_arguments {
        paragraphs.push("@param params - The parameters; every one of them can be left out.".to_owned());
    } else {
        for param in positional(operation) {
            paragraphs.push(format!("@param {} - {}", camel(param.name), param_doc(operation, param)));
        }
    }
    paragraphs.push(
        match options_interface(operation) {
            Some(_) => {
                "@param options - Further parameters, and `signal`, `timeout`, `maxRetries`, `headers` of this call."
            }
            None => "@param options - `signal`, `timeout`, `maxRetries` and `headers` of this call.",
        }
        .to_owned(),
    );
    paragraphs.push(format!("@returns {}", returns_doc(operation)));
    if operation.path.contains('{') {
        paragraphs.push("@throws {@link NotFoundError} if the server does not know it.".to_owned());
    }
    if operation.bridges.iter().any(|bridge| matches!(bridge, Bridge::NotFoundOrWrongState(_))) {
        let conflict = "@throws {@link ConflictError} if it is in a state in which that cannot be done; the message names the state.";
        paragraphs.push(conflict.to_owned());
    }
    paragraphs.push(
        "@throws {@link AutonomiError} or a class derived from it if the server refuses, fails or cannot be reached."
            .to_owned(),
    );
    if !operation.params.is_empty() {
        paragraphs
            .push("@throws TypeError if an argument is of the wrong type; nothing is sent then.".to_owned());
    }
    comment(2, &paragraphs)
}

fn returns_doc(operation: &Operation) -> String {
    match operation.returns {
        Returns::Nothing => "Nothing, once the server has done it.".to_owned(),
        Returns::Object => "What the server reports.".to_owned(),
        Returns::Model(model) | Returns::Record(model) => format!("The `{}`.", model.name),
        Returns::List(model, _) => format!("A list of `{}`, empty if there is none.", model.name),
    }
}

fn param_doc(operation: &'static Operation, param: &'static Param) -> String {
    let mut doc = with_known(&reworded(param.doc, Some(operation)), param.known);
    match param.need {
        Need::DefaultStr(value) => doc.push_str(&format!(" Default: `'{value}'`.")),
        Need::DefaultInt(value) => doc.push_str(&format!(" Default: {value}.")),
        Need::Required | Need::Optional => {}
    }
    doc
}

fn with_known(doc: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return doc.to_owned();
    }
    let values: Vec<String> = known.iter().map(|value| format!("`{value}`")).collect();
    format!("{doc} Known values: {}; others are possible.", values.join(", "))
}

/// The text with the names of operations, and of this operation's parameters, as TypeScript has them.
fn reworded(doc: &str, of: Option<&'static Operation>) -> String {
    let mut text = String::with_capacity(doc.len());
    for (index, part) in doc.split('`').enumerate() {
        if index > 0 {
            text.push('`');
        }
        let name = part.split('(').next().unwrap_or(part);
        let param =
            of.and_then(|of| of.params.iter().find(|param| param.name == name).map(|param| (of, param)));
        let renamed = match param.map(|(of, param)| (of.typescript_arguments, param)) {
            _ if index % 2 == 0 => None,
            Some((TypeScriptArguments::Object(_), param)) => Some(param.wire.to_owned()),
            Some((TypeScriptArguments::Positional, _)) => Some(camel(name)),
            None => {
                let is_iterator =
                    operations().any(|of| of.paging.is_some_and(|paging| paging.method == name));
                (operation(name).is_some() || is_iterator).then(|| camel(name))
            }
        };
        if let Some(renamed) = renamed {
            text.push_str(&renamed);
            text.push_str(&part[name.len()..]);
        } else {
            text.push_str(part);
        }
    }
    text
}

fn positional(operation: &'static Operation) -> impl Iterator<Item = &'static Param> {
    operation.params.iter().filter(|param| param.positional)
}

fn keywords(operation: &'static Operation) -> impl Iterator<Item = &'static Param> {
    operation.params.iter().filter(|param| !param.positional)
}

/// The name of the interface of the last argument, unless plain `CallOptions` will do.
fn options_interface(operation: &'static Operation) -> Option<String> {
    let own = operation.typescript_arguments == TypeScriptArguments::Positional
        && keywords(operation).next().is_some();
    own.then(|| {
        let name = camel(operation.name);
        format!("{}{}Options", name[..1].to_uppercase(), &name[1..])
    })
}

fn returned_model(operation: &Operation) -> Option<&'static Model> {
    match operation.returns {
        Returns::Nothing | Returns::Object => None,
        Returns::Model(model) | Returns::Record(model) | Returns::List(model, _) => Some(model),
    }
}

fn returned_type(operation: &Operation) -> String {
    match operation.returns {
        Returns::Nothing => "void".to_owned(),
        Returns::Object => "Record<string, unknown>".to_owned(),
        Returns::Model(model) | Returns::Record(model) => model.name.to_owned(),
        Returns::List(model, _) => format!("{}[]", model.name),
    }
}

fn param_type(param: &Param) -> String {
    match param.ty {
        ParamType::Id => "number | string".to_owned(),
        ParamType::Str if !param.known.is_empty() => open(param.known),
        ParamType::Str => "string".to_owned(),
        ParamType::Timestamp => "string | Date".to_owned(),
        ParamType::Int => "number".to_owned(),
        ParamType::Bool => "boolean".to_owned(),
        ParamType::StrList => "readonly string[]".to_owned(),
        ParamType::Object => "Readonly<Record<string, unknown>>".to_owned(),
    }
}

/// A field as a member, over several lines if it names so many values.
fn member_of_interface(field: &Field) -> String {
    let line = format!("{}{}: {};", field.wire, optional_mark(field), field_type(field));
    if line.len() + 2 <= WIDTH {
        return line;
    }
    let values: String = field.known.iter().map(|value| format!("\n    | '{value}'")).collect();
    format!("{}{}: Known<{values}\n  >;", field.wire, optional_mark(field))
}

/// The type of an open enumeration.
fn open(known: &[&str]) -> String {
    let values: Vec<String> = known.iter().map(|value| format!("'{value}'")).collect();
    format!("Known<{}>", values.join(" | "))
}

const fn check_type(ty: ParamType) -> &'static str {
    match ty {
        ParamType::Id => "id",
        ParamType::Str => "string",
        ParamType::Timestamp => "timestamp",
        ParamType::Int => "integer",
        ParamType::Bool => "boolean",
        ParamType::StrList => "strings",
        ParamType::Object => "object",
    }
}

fn field_type(field: &Field) -> String {
    match field.ty {
        FieldType::Id | FieldType::Int | FieldType::Float => "number".to_owned(),
        FieldType::Str | FieldType::Label if !field.known.is_empty() => open(field.known),
        FieldType::Str | FieldType::Label | FieldType::Timestamp => "string".to_owned(),
        FieldType::Bool => "boolean".to_owned(),
        FieldType::StrList => "string[]".to_owned(),
        FieldType::Object => "Record<string, unknown>".to_owned(),
        FieldType::Json => "unknown".to_owned(),
        FieldType::Model(model) => model.name.to_owned(),
        FieldType::List(model) => format!("{}[]", model.name),
    }
}

const fn optional_mark(field: &Field) -> &'static str {
    match field.presence {
        Presence::Required | Presence::Expected => "",
        Presence::Optional => "?",
    }
}

fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for (index, word) in name.split('_').enumerate() {
        if index == 0 || word.is_empty() {
            camel.push_str(word);
        } else {
            camel.push_str(&word[..1].to_uppercase());
            camel.push_str(&word[1..]);
        }
    }
    camel
}

/// `head`, the items and `tail` on one line if they fit, otherwise each item on a line of its own.
/// The first line is not indented: that is up to whoever places it.
fn fitted(indent: usize, head: &str, padding: &str, items: &[String], tail: &str) -> String {
    let line = format!("{head}{padding}{}{padding}{tail}", items.join(", "));
    if !line.contains('\n') && indent + line.len() <= WIDTH {
        return line;
    }
    let outer = " ".repeat(indent);
    let inner: Vec<String> = items.iter().map(|item| format!("{outer}  {item},\n")).collect();
    format!("{head}\n{}{outer}{tail}", inner.concat())
}

/// A TSDoc comment of these paragraphs, wrapped; the first line is not indented.
fn comment(indent: usize, paragraphs: &[String]) -> String {
    let outer = " ".repeat(indent);
    if let [one] = paragraphs
        && indent + one.len() + 7 <= WIDTH
    {
        return format!("/** {one} */");
    }
    let mut text = String::from("/**\n");
    for paragraph in paragraphs {
        for line in wrapped(paragraph, WIDTH - indent - 3) {
            text.push_str(format!("{outer} * {line}").trim_end());
            text.push('\n');
        }
    }
    format!("{text}{outer} */")
}

fn wrapped(paragraph: &str, width: usize) -> Vec<String> {
    let continued = if paragraph.starts_with('@') { "  " } else { "" };
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let line = lines.last_mut().expect("there is always a last line");
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{continued}{word}"));
        }
    }
    lines
}
