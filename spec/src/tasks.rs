//! Tasks.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Bridge, Field, FieldType, Manager, Model, Operation, Param, ParamType, Returns};

const STATUSES: &Known =
    &Known::new("TaskStatus", &["backlog", "pending", "in_progress", "review", "done", "completed"]);
const PRIORITIES: &Known = &Known::new("TaskPriority", &["low", "medium", "high", "critical"]);

pub(crate) const TASK: Model = Model {
    name: "Task",
    doc: "A piece of work of a project.",
    fields: &[
        Field::required(
            "id",
            FieldType::Id,
            "Identifier of the task; a string for tasks from the server's queue files.",
        ),
        Field::expected(
            "project_id",
            FieldType::Id,
            "Project that the task belongs to; none for tasks from queue files.",
        ),
        Field::expected("title", FieldType::Str, "What is to be done, in a line."),
        Field::optional("description", FieldType::Str, "What is to be done, at length."),
        Field::expected("status", FieldType::Str, "State of the task.").known(STATUSES),
        Field::expected("priority", FieldType::Label, "How urgent it is.").known(PRIORITIES),
        Field::optional("position", FieldType::Int, "Place in its column, from 0."),
        Field::optional("assigned_agent_id", FieldType::Id, "Agent that works on it."),
        Field::optional("parent_task_id", FieldType::Id, "Task that this one is a part of."),
        Field::optional("estimated_duration", FieldType::Float, "Expected duration, in the server's unit."),
        Field::optional("actual_duration", FieldType::Float, "Measured duration, in the server's unit."),
        Field::optional("created_at", FieldType::Timestamp, "When it was created."),
        Field::optional("updated_at", FieldType::Timestamp, "When it was last changed."),
        Field::optional("completed_at", FieldType::Timestamp, "When it was done."),
        Field::optional("type", FieldType::Str, "Kind of task, for tasks from queue files."),
    ],
};

const TASK_ID: Param = Param::path("task_id", "Identifier of the task.");
const TITLE: Param = Param::body("title", ParamType::Str, "What is to be done, in a line.");
const DESCRIPTION: Param =
    Param::body("description", ParamType::Str, "What is to be done, at length.").optional();
const PRIORITY: Param =
    Param::body("priority", ParamType::Str, "How urgent it is.").optional().keyword().known(PRIORITIES);
const STATUS: Param = Param::body(
    "status",
    ParamType::Str,
    "State of the task. `completed` and `done` mean the same; the server gets the word that it knows.",
)
.optional()
.known(STATUSES);
const POSITION: Param =
    Param::body("position", ParamType::Int, "Place in its column, from 0.").optional().keyword();

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Tasks",
    models: &[&TASK],
    operations: &[
        Operation::get("list_tasks", "/api/tasks", Returns::List(&TASK, &["tasks"]))
            .doc(
                "Lists tasks. Real servers list the tasks of the running session, read from its state files: tasks made by \
                 `create_task` are in another store and do not appear there, and `project_id` is ignored. The list is whole unless \
                 `limit` says otherwise.",
            )
            .params(&[
                Param::query("project_id", ParamType::Id, "Only tasks of this project."),
                Param::query("status", ParamType::Str, "Only tasks in this state.").known(STATUSES),
                Param::query("limit", ParamType::Int, "How many at most; dashboards list all.").keyword(),
                Param::query("offset", ParamType::Int, "How many to skip; dashboards skip none.").keyword(),
            ])
            .on(Manager::Tasks)
            .loki("list_tasks")
            .paged("iter_tasks", 1000),
        Operation::get("get_task", "/api/tasks/{task_id}", Returns::Model(&TASK))
            .doc("Returns one task.")
            .params(&[TASK_ID])
            .on(Manager::Tasks),
        Operation::post("create_task", "/api/tasks", Returns::Model(&TASK))
            .answers(201)
            .doc("Creates a task and returns it.")
            .params(&[
                Param::body("project_id", ParamType::Id, "Project that the task belongs to."),
                TITLE,
                DESCRIPTION,
                PRIORITY,
                STATUS.keyword(),
                POSITION,
            ])
            .bridges(&[Bridge::TaskStatusNames])
            .on(Manager::Tasks),
        Operation::put("update_task", "/api/tasks/{task_id}", Returns::Model(&TASK))
            .doc("Changes the given fields of a task, leaves the others as they are, and returns the task.")
            .params(&[
                TASK_ID,
                STATUS,
                TITLE.optional().keyword(),
                DESCRIPTION.keyword(),
                PRIORITY,
                POSITION,
            ])
            .bridges(&[Bridge::TaskStatusNames])
            .on(Manager::Tasks),
        Operation::delete("delete_task", "/api/tasks/{task_id}", Returns::Nothing)
            .doc("Deletes a task.")
            .params(&[TASK_ID])
            .on(Manager::Tasks),
        Operation::post("move_task", "/api/tasks/{task_id}/move", Returns::Model(&TASK))
            .doc("Moves a task to a place in a column of the board and returns it.")
            .params(&[
                TASK_ID,
                Param::body("status", ParamType::Str, "Column to move it to.").known(STATUSES),
                Param::body("position", ParamType::Int, "Place in that column, from 0."),
            ])
            .bridges(&[Bridge::TaskStatusNames])
            .on(Manager::Tasks),
    ],
};
