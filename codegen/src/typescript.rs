//! Writes the TypeScript face: the client, the manager classes, the interfaces and the table by which arguments are
//! checked. What it returns is already as biome formats it.

mod interfaces;
mod methods;
mod paging;
mod parameters;
mod tables;
mod text;

use std::collections::BTreeSet;

use loki_mode_spec::{CHAPTERS, Manager, Operation, TypeScriptArguments, operations};
use minijinja::{Environment, Value, context};

use self::interfaces::{ModelChapter, event_data, event_types};
use self::methods::{ManagerClass, Method, loki_methods};
use self::parameters::{options_interface, positional};
use self::tables::operation_table;
use self::text::fitted;
use crate::Output;

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
        names.extend(operation.returns.model().map(|model| model.name.to_owned()));
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
