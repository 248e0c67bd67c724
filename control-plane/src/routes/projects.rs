//! Projects.

use rusqlite::Connection;

use super::{Call, Handler};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::news::News;
use crate::profile::Profile;
use crate::store::projects::{self, Project};
use crate::store::tenants;

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("list_projects", list),
    ("get_project", get),
    ("create_project", create),
    ("update_project", update),
    ("delete_project", delete),
];

fn write(profile: Profile, project: &Project) -> String {
    json::object(|object| {
        let mut object = object
            .int("id", project.id)
            .str("name", &project.name)
            .opt_str("description", project.description.as_deref())
            .opt_str("prd_path", project.prd_path.as_deref())
            .str("status", &project.status);
        if profile.shows_tenant() {
            object = object.opt_int("tenant_id", project.tenant_id);
        }
        object
            .time("created_at", project.created_at, profile.row_time())
            .time("updated_at", project.updated_at, profile.row_time())
            .int("task_count", project.task_count)
            .int("completed_task_count", project.completed_task_count)
    })
}

/// The project of an id, if the caller may see it.
pub(super) fn find(call: &Call<'_>, connection: &Connection, id: i64) -> Result<Project, Failure> {
    let project = projects::get(connection, id)?.ok_or_else(|| Failure::not_found("Project"))?;
    call.check_tenant(project.tenant_id)?;
    Ok(project)
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let filter = projects::Filter {
        status: call.inputs.text("status"),
        tenants: call.tenants()?,
        limit: call.inputs.int("limit").or(call.profile.projects_limit()),
        offset: call.inputs.int("offset").unwrap_or(0),
        by_second: call.profile.orders_by_second(),
    };
    let projects = projects::list(connection, &filter)?;
    Ok(Answer::json(json::array(projects.iter().map(|project| write(call.profile, project)))))
}

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let project = find(call, connection, call.inputs.id("project_id"))?;
    Ok(Answer::json(write(call.profile, &project)))
}

fn create(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let tenant_id = inputs.int("tenant_id");
    call.check_tenant(tenant_id)?;
    if let Some(id) = tenant_id {
        tenants::get(connection, id)?.ok_or_else(|| Failure::not_found("Tenant"))?;
    }
    let id = projects::create(
        connection,
        inputs.required_text("name"),
        inputs.text("description"),
        inputs.text("prd_path"),
        tenant_id,
        call.now,
    )?;
    let project = find(call, connection, id)?;
    Ok(Answer::json(write(call.profile, &project)).about(id).telling([News::project("created", &project)]))
}

fn update(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let id = find(call, connection, inputs.id("project_id"))?.id;
    projects::update(
        connection,
        id,
        inputs.text("name"),
        inputs.text("description"),
        inputs.text("prd_path"),
        inputs.text("status"),
        call.now,
    )?;
    let project = find(call, connection, id)?;
    Ok(Answer::json(write(call.profile, &project)).telling([News::project("updated", &project)]))
}

fn delete(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let project = find(call, connection, call.inputs.id("project_id"))?;
    projects::delete(connection, project.id)?;
    Ok(Answer::nothing().telling([News::project("deleted", &project)]))
}
