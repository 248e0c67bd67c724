//! Tasks. The guide's server has one store of them; real servers list those of the session's queue, and create, show and
//! change those of their database.

use rusqlite::Connection;

use super::{Call, Handler, projects};
use crate::answers::{Answer, Failure};
use crate::json;
use crate::news::News;
use crate::store::projects as stored_projects;
use crate::store::tasks::{self, Changes, NewTask, QueueTask, Task};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("list_tasks", list),
    ("get_task", get),
    ("create_task", create),
    ("update_task", update),
    ("delete_task", delete),
    ("move_task", move_to),
];

fn write(call: &Call<'_>, task: &Task) -> String {
    let profile = call.profile;
    json::object(|object| {
        let object = object
            .int("id", task.id)
            .int("project_id", task.project_id)
            .str("title", &task.title)
            .opt_str("description", task.description.as_deref())
            .str("status", &task.status)
            .str("priority", &task.priority)
            .int("position", task.position)
            .null("assigned_agent_id")
            .null("parent_task_id")
            .null("estimated_duration")
            .null("actual_duration")
            .time("created_at", task.created_at, profile.row_time())
            .time("updated_at", task.updated_at, profile.row_time())
            .opt_time("completed_at", task.completed_at, profile.end_time());
        if profile.has_new_fields() {
            object.raw("acceptance_criteria", "[]").raw("notes", "[]").raw("logs", "[]")
        } else {
            object
        }
    })
}

fn write_queued(task: &QueueTask) -> String {
    json::object(|object| {
        object
            .str("id", &task.id)
            .str("title", &task.title)
            .str("description", &task.description)
            .str("status", &task.status)
            .str("priority", &task.priority)
            .str("type", &task.kind)
            .int("position", task.position)
    })
}

/// The task of an id, if the caller may see its project.
fn find(call: &Call<'_>, connection: &Connection, id: i64) -> Result<Task, Failure> {
    let task = tasks::get(connection, id)?.ok_or_else(|| Failure::not_found("Task"))?;
    let project = stored_projects::get(connection, task.project_id)?;
    call.check_tenant(project.and_then(|project| project.tenant_id))?;
    Ok(task)
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let status = call.inputs.text("status");
    let body = if call.profile.lists_queue_tasks() {
        json::array(tasks::queue(connection, status)?.iter().map(write_queued))
    } else {
        let inputs = call.inputs;
        let (limit, offset) = (inputs.int("limit"), inputs.int("offset").unwrap_or(0));
        let tasks = tasks::list(connection, inputs.int("project_id"), status, limit, offset)?;
        json::array(tasks.iter().map(|task| write(call, task)))
    };
    Ok(Answer::json(body))
}

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let task = find(call, connection, call.inputs.id("task_id"))?;
    Ok(Answer::json(write(call, &task)))
}

fn create(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let project = projects::find(call, connection, inputs.id("project_id"))?;
    let task = NewTask {
        project_id: project.id,
        title: inputs.required_text("title"),
        description: inputs.text("description"),
        status: inputs.text("status").unwrap_or("pending"),
        priority: inputs.text("priority").unwrap_or("medium"),
        position: inputs.int("position").unwrap_or(0),
    };
    let id = tasks::create(connection, &task, call.now)?;
    let task = find(call, connection, id)?;
    Ok(Answer::json(write(call, &task)).about(id).telling([News::task("created", &task)]))
}

/// Changes a task; `status`, `position` and the rest as far as given.
fn update(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let (_, task) = changed(call, connection)?;
    Ok(Answer::json(write(call, &task)).telling([News::task("updated", &task)]))
}

/// Changes a task as far as something is given; what it was and what it is.
fn changed(call: &Call<'_>, connection: &Connection) -> Result<(Task, Task), Failure> {
    let inputs = call.inputs;
    let before = find(call, connection, inputs.id("task_id"))?;
    let changes = Changes {
        status: inputs.text("status"),
        title: inputs.text("title"),
        description: inputs.text("description"),
        priority: inputs.text("priority"),
        position: inputs.int("position"),
    };
    tasks::update(connection, before.id, &changes, call.now)?;
    let task = find(call, connection, before.id)?;
    Ok((before, task))
}

fn delete(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let task = find(call, connection, call.inputs.id("task_id"))?;
    tasks::delete(connection, task.id)?;
    Ok(Answer::nothing().telling([News::task_deleted(&task)]))
}

fn move_to(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    // A move is an update whose two fields the table requires.
    let (before, task) = changed(call, connection)?;
    Ok(Answer::json(write(call, &task)).telling([News::task_moved(&before, &task)]))
}
