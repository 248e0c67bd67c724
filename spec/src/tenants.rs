//! Tenants.

use crate::Chapter;
use crate::operation::{Field, FieldType, Model, Operation, Param, ParamType, Returns};

pub(crate) const TENANT: Model = Model {
    name: "Tenant",
    doc: "A tenant: the customer or team that owns projects.",
    fields: &[
        Field::required("id", FieldType::Id, "Identifier of the tenant."),
        Field::expected("name", FieldType::Str, "Name; unique on the server."),
        Field::expected("slug", FieldType::Str, "Name for URLs, derived from `name` by the server."),
        Field::optional("description", FieldType::Str, "What the tenant is."),
        Field::expected("created_at", FieldType::Timestamp, "When it was created."),
        Field::optional("updated_at", FieldType::Timestamp, "When it was last changed."),
        Field::optional("settings", FieldType::Object, "Free-form settings."),
    ],
};

const TENANT_ID: Param = Param::path("tenant_id", "Identifier of the tenant (not its slug).");
const NAME: Param =
    Param::body("name", ParamType::Str, "Name of the tenant; real servers answer 500 to a duplicate.");
const DESCRIPTION: Param = Param::body("description", ParamType::Str, "What the tenant is.").optional();
const SETTINGS: Param =
    Param::body("settings", ParamType::Object, "Free-form settings.").optional().keyword();

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Tenants",
    models: &[&TENANT],
    operations: &[
        Operation::get("list_tenants", "/api/tenants", Returns::List(&TENANT, &["tenants"]))
            .v2("/api/v2/tenants")
            .doc("Lists all tenants, ordered by name."),
        Operation::get("get_tenant", "/api/tenants/{tenant_id}", Returns::Model(&TENANT))
            .v2("/api/v2/tenants/{tenant_id}")
            .doc("Returns one tenant.")
            .params(&[TENANT_ID]),
        Operation::post("create_tenant", "/api/tenants", Returns::Model(&TENANT))
            .answers(201)
            .v2("/api/v2/tenants")
            .doc("Creates a tenant and returns it.")
            .params(&[NAME, DESCRIPTION, SETTINGS]),
        Operation::put("update_tenant", "/api/tenants/{tenant_id}", Returns::Model(&TENANT))
            .v2("/api/v2/tenants/{tenant_id}")
            .doc("Changes the given fields of a tenant, leaves the others as they are, and returns the tenant.")
            .params(&[TENANT_ID, NAME.optional().keyword(), DESCRIPTION.keyword(), SETTINGS]),
        Operation::delete("delete_tenant", "/api/tenants/{tenant_id}", Returns::Nothing)
            .v2("/api/v2/tenants/{tenant_id}")
            .doc("Deletes a tenant.")
            .params(&[TENANT_ID]),
    ],
};
