//! The parts of an OpenAPI document that this API needs, in the order in which they are written.

use serde::Serialize;

use super::schema::Schema;
use crate::ordered::Ordered;

#[derive(Serialize)]
pub(super) struct Document {
    pub(super) openapi: &'static str,
    pub(super) info: Info,
    pub(super) servers: Vec<Server>,
    pub(super) tags: Vec<Tag>,
    pub(super) security: Vec<SecurityRequirement>,
    pub(super) paths: Ordered<PathItem>,
    pub(super) components: Components,
}

#[derive(Serialize)]
pub(super) struct Info {
    pub(super) title: &'static str,
    pub(super) version: &'static str,
    pub(super) description: &'static str,
    pub(super) license: License,
}

#[derive(Serialize)]
pub(super) struct License {
    pub(super) name: &'static str,
    pub(super) identifier: &'static str,
}

#[derive(Serialize)]
pub(super) struct Server {
    pub(super) url: &'static str,
    pub(super) description: &'static str,
    pub(super) variables: Ordered<Variable>,
}

#[derive(Serialize)]
pub(super) struct Variable {
    pub(super) default: &'static str,
}

#[derive(Serialize)]
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) description: String,
}

/// The one way to authenticate.
#[derive(Serialize)]
pub(super) struct SecurityRequirement {
    pub(super) bearer: Vec<&'static str>,
}

/// Methods in lower case with what they do.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct PathItem(pub(super) Ordered<Route>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Route {
    pub(super) operation_id: String,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) tags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<RequestBody>,
    pub(super) responses: Ordered<Response>,
}

#[derive(Serialize)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) r#in: &'static str,
    pub(super) required: bool,
    pub(super) description: &'static str,
    /// False where a list is one value, its items separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explode: Option<bool>,
    pub(super) schema: Schema,
}

#[derive(Serialize)]
pub(super) struct RequestBody {
    pub(super) required: bool,
    pub(super) content: Content,
}

/// Media types with what they hold.
pub(super) type Content = Ordered<MediaType>;

#[derive(Serialize)]
pub(super) struct MediaType {
    pub(super) schema: Schema,
}

#[derive(Serialize)]
pub(super) struct Response {
    #[serde(rename = "$ref", skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Content>,
}

impl Response {
    pub(super) fn described(description: &'static str) -> Self {
        Response { reference: None, description: Some(description), content: None }
    }

    pub(super) fn reference(name: &str) -> Self {
        Response {
            reference: Some(format!("#/components/responses/{name}")),
            description: None,
            content: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Components {
    pub(super) schemas: Ordered<Schema>,
    pub(super) responses: Ordered<Response>,
    pub(super) security_schemes: Ordered<SecurityScheme>,
}

#[derive(Serialize)]
pub(super) struct SecurityScheme {
    pub(super) r#type: &'static str,
    pub(super) scheme: &'static str,
    pub(super) description: &'static str,
}
