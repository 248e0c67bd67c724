//! Writes `openapi.json`: the API of the table, in OpenAPI 3.1.

mod document;
mod schema;

use std::collections::BTreeMap;

use loki_mode_spec::{
    Bridge, CHAPTERS, Location, Need, Operation, Param, ParamType, Returns, STREAMS, Stream, StreamKind,
    models,
};

use self::document::{
    Components, Content, Document, Info, License, MediaType, Parameter, PathItem, RequestBody, Response,
    Route, SecurityRequirement, SecurityScheme, Server, Tag, Variable,
};
use self::schema::Schema;
use crate::Output;
use crate::ordered::{Ordered, document};

/// The tag of the paths that only deployed servers have.
const V2_TAG: &str = "v2";

/// The tag of the endpoints that do not end their answer.
const STREAMS_TAG: &str = "Streams";

/// Statuses of refusals that any operation can answer, and when.
const ERRORS: [(&str, &str); 5] = [
    ("401", "No token, or one that is wrong, expired or revoked."),
    ("403", "The token does not allow this."),
    ("422", "The request is not valid: `detail` is a list that says where and why."),
    ("429", "Too many requests."),
    ("500", "The server failed."),
];

pub(crate) fn outputs() -> Vec<Output> {
    vec![Output { path: "openapi.json".to_owned(), text: document("x-generated", &api()) }]
}

fn api() -> Document {
    let mut tags: Vec<_> = CHAPTERS
        .iter()
        .map(|chapter| Tag {
            name: chapter.title,
            description: format!("{} of the control plane.", chapter.title),
        })
        .collect();
    tags.push(Tag { name: STREAMS_TAG, description: "Endpoints that keep the connection open.".to_owned() });
    tags.push(Tag {
        name: V2_TAG,
        description: "Paths of deployed servers, where they differ from those of the SDK guide.".to_owned(),
    });
    let schemas = models().map(|model| (model.name.to_owned(), Schema::of_model(model)));
    Document {
        openapi: "3.1.0",
        info: Info {
            title: "Autonomi Control Plane",
            version: env!("CARGO_PKG_VERSION"),
            description: "The API of the Loki Mode dashboard as its SDK guide and its deployed servers have it. Operations whose \
                paths differ stand here twice; those of deployed servers have the tag `v2`.",
            license: License { name: "MIT OR Apache-2.0", identifier: "MIT OR Apache-2.0" },
        },
        servers: vec![Server {
            url: "http://{host}:{port}",
            description: "A control plane of one's own.",
            variables: [
                ("host".to_owned(), Variable { default: "localhost" }),
                ("port".to_owned(), Variable { default: "57374" }),
            ]
            .into_iter()
            .collect(),
        }],
        tags,
        security: vec![SecurityRequirement { bearer: Vec::new() }],
        paths: paths(),
        components: Components {
            schemas: schemas.chain([("Error".to_owned(), Schema::of_error())]).collect(),
            responses: ERRORS
                .map(|(status, when)| (response_name(status), error_response(when)))
                .into_iter()
                .collect(),
            security_schemes: [(
                "bearer".to_owned(),
                SecurityScheme {
                    r#type: "http",
                    scheme: "bearer",
                    description: "A token like `loki_...`. Servers with authentication turned off need none.",
                },
            )]
            .into_iter()
            .collect(),
        },
    }
}

/// One entry for each path, in the order of the table, with all its methods; the streams come last.
fn paths() -> Ordered<PathItem> {
    let mut order = Vec::new();
    let mut items = BTreeMap::<&str, Vec<(String, Route)>>::new();
    for chapter in CHAPTERS {
        // A view has the route of another operation, whose answer stands here.
        for operation in chapter.operations.iter().filter(|operation| operation.view_of.is_none()) {
            let both = [(Some(operation.path), false), (operation.v2_path, true)];
            for (path, is_v2) in both.into_iter().filter_map(|(path, is_v2)| Some((path?, is_v2))) {
                if !items.contains_key(path) {
                    order.push(path);
                }
                let method = operation.method.as_str().to_lowercase();
                items.entry(path).or_default().push((method, route(operation, chapter.title, is_v2)));
            }
        }
    }
    for stream in STREAMS {
        order.push(stream.path);
        items.entry(stream.path).or_default().push(("get".to_owned(), stream_route(stream)));
    }
    order
        .into_iter()
        .filter_map(|path| Some((path.to_owned(), PathItem(items.remove(path)?.into_iter().collect()))))
        .collect()
}

fn route(operation: &'static Operation, chapter: &'static str, is_v2: bool) -> Route {
    let mut tags = vec![chapter];
    tags.extend(is_v2.then_some(V2_TAG));
    Route {
        operation_id: format!("{}{}", operation.name, if is_v2 { "_v2" } else { "" }),
        summary: summary(operation.doc),
        description: operation.doc,
        tags,
        parameters: parameters(operation.params),
        request_body: request_body(operation),
        responses: responses(operation),
    }
}

/// The first sentence, without its full stop.
fn summary(doc: &'static str) -> &'static str {
    doc.split_inclusive(". ").next().unwrap_or(doc).trim_end().trim_end_matches('.')
}

fn stream_route(stream: &'static Stream) -> Route {
    let (status, answer) = match stream.kind {
        StreamKind::ServerSentEvents => {
            let content =
                [("text/event-stream".to_owned(), MediaType { schema: Schema::reference(stream.item.name) })];
            let description = "Server-sent events; the data of each is this, as JSON.";
            (
                "200",
                Response { content: Some(content.into_iter().collect()), ..Response::described(description) },
            )
        }
        // OpenAPI has no words for what is said after that.
        StreamKind::WebSocket => ("101", Response::described("A WebSocket with JSON messages.")),
    };
    let mut parameters = parameters(stream.params);
    let extra = |name, r#in, description| Parameter {
        name,
        r#in,
        required: false,
        description,
        explode: None,
        schema: Schema::text(),
    };
    parameters.extend(
        stream
            .resume_header
            .map(|name| extra(name, "header", "Identifier of the event that was received last.")),
    );
    parameters.extend(stream.token_param.map(|name| extra(name, "query", "The token, where one is needed.")));
    let errors =
        ["401", "403"].map(|status| (status.to_owned(), Response::reference(&response_name(status))));
    Route {
        operation_id: stream.name.to_owned(),
        summary: summary(stream.doc),
        description: stream.doc,
        tags: vec![STREAMS_TAG],
        parameters,
        request_body: None,
        responses: std::iter::once((status.to_owned(), answer)).chain(errors).collect(),
    }
}

fn parameters(params: &'static [Param]) -> Vec<Parameter> {
    let outside_the_body = params.iter().filter_map(|param| {
        let place = match param.location {
            Location::Path => "path",
            Location::Query => "query",
            Location::Body => return None,
        };
        Some(Parameter {
            name: param.wire,
            r#in: place,
            required: param.need == Need::Required,
            description: param.doc,
            explode: (param.ty == ParamType::StrList).then_some(false),
            schema: Schema::of_param(param).without_description(),
        })
    });
    outside_the_body.collect()
}

fn request_body(operation: &'static Operation) -> Option<RequestBody> {
    let in_body: Vec<_> = operation.params.iter().filter(|param| param.location == Location::Body).collect();
    (!in_body.is_empty())
        .then(|| RequestBody { required: true, content: json_content(Schema::of_body(&in_body)) })
}

fn responses(operation: &'static Operation) -> Ordered<Response> {
    let description = match operation.returns {
        Returns::Nothing => "Done.",
        Returns::Object => "What the server reports.",
        Returns::Model(model) | Returns::Record(model) => model.doc,
        Returns::List(..) => "The list, bare or in an envelope.",
    };
    let success = success_of(operation, description);
    let mut responses = vec![(operation.success.to_string(), success)];
    let has_path_parameter = operation.params.iter().any(|param| param.location == Location::Path);
    let errors = ERRORS.map(|(status, _)| (status.to_owned(), Response::reference(&response_name(status))));
    let (before, after) = errors.into_iter().partition::<Vec<_>, _>(|(status, _)| status.as_str() < "404");
    responses.extend(before);
    if has_path_parameter {
        responses.push(("404".to_owned(), error_response("There is no such thing, or no such route.")));
    }
    responses.extend(after);
    if operation.bridges.contains(&Bridge::HealthIn503) {
        responses.push(("503".to_owned(), success_of(operation, "The server is not well, and says why.")));
    }
    responses.into_iter().collect()
}

fn success_of(operation: &'static Operation, description: &'static str) -> Response {
    match operation.returns {
        Returns::Nothing => Response::described(description),
        Returns::Object => success(description, Schema::free_form()),
        Returns::Model(model) | Returns::Record(model) => success(description, Schema::reference(model.name)),
        Returns::List(model, keys) => success(description, Schema::of_list(model, keys)),
    }
}

fn success(description: &'static str, schema: Schema) -> Response {
    Response { description: Some(description), content: Some(json_content(schema)), reference: None }
}

fn error_response(when: &'static str) -> Response {
    success(when, Schema::reference("Error"))
}

fn response_name(status: &str) -> String {
    format!("Error{status}")
}

fn json_content(schema: Schema) -> Content {
    [("application/json".to_owned(), MediaType { schema })].into_iter().collect()
}
