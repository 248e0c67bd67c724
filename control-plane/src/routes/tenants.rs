//! Tenants.

use rusqlite::Connection;

use super::{Call, Handler};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::store::tenants::{self, Tenant};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("list_tenants", list),
    ("get_tenant", get),
    ("create_tenant", create),
    ("update_tenant", update),
    ("delete_tenant", delete),
];

fn write(call: &Call<'_>, tenant: &Tenant) -> String {
    let time = call.profile.row_time();
    json::object(|object| {
        object
            .int("id", tenant.id)
            .str("name", &tenant.name)
            .str("slug", &tenant.slug)
            .opt_str("description", tenant.description.as_deref())
            .opt_raw("settings", tenant.settings.as_deref())
            .time("created_at", tenant.created_at, time)
            .time("updated_at", tenant.updated_at, time)
    })
}

fn find(call: &Call<'_>, connection: &Connection, id: i64) -> Result<Tenant, Failure> {
    // An unknown tenant is refused like a foreign one, so that a key cannot find out which exist.
    call.check_tenant(Some(id))?;
    tenants::get(connection, id)?.ok_or_else(|| Failure::not_found("Tenant"))
}

/// Names are unique. Real servers notice only when the database refuses, and break.
fn name_is_free(call: &Call<'_>, taken: bool) -> Result<(), Failure> {
    match taken {
        false => Ok(()),
        true if call.profile.reports_conflicts() => Err(Failure::conflict("Tenant name already exists")),
        true => Err(Failure::Internal("UNIQUE constraint failed: tenants".to_owned())),
    }
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let visible = call.tenants()?;
    let tenants = tenants::list(connection)?;
    let shown = tenants.iter().filter(|tenant| visible.includes(Some(tenant.id)));
    Ok(Answer::json(json::array(shown.map(|tenant| write(call, tenant)))))
}

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let tenant = find(call, connection, call.inputs.id("tenant_id"))?;
    Ok(Answer::json(write(call, &tenant)))
}

fn create(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let name = inputs.required_text("name");
    name_is_free(call, tenants::name_taken(connection, name, 0)?)?;
    let id =
        tenants::create(connection, name, inputs.text("description"), inputs.object("settings"), call.now)?;
    let tenant = tenants::get(connection, id)?.ok_or_else(|| Failure::not_found("Tenant"))?;
    Ok(Answer::json(write(call, &tenant)).about(id))
}

fn update(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let id = find(call, connection, inputs.id("tenant_id"))?.id;
    let name = inputs.text("name");
    if let Some(name) = name {
        let taken = tenants::name_taken(connection, name, id)? || tenants::slug_taken(connection, name, id)?;
        name_is_free(call, taken)?;
    }
    tenants::update(connection, id, name, inputs.text("description"), inputs.object("settings"), call.now)?;
    Ok(Answer::json(write(call, &find(call, connection, id)?)))
}

fn delete(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let id = find(call, connection, call.inputs.id("tenant_id"))?.id;
    tenants::delete(connection, id)?;
    Ok(Answer::nothing())
}
