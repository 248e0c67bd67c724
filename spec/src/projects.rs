//! Projects.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Bridge, Field, FieldType, Model, Operation, Param, ParamType, Returns};

const STATUSES: &Known = &Known::new("ProjectStatus", &["active", "archived", "completed"]);

pub(crate) const PROJECT: Model = Model {
    name: "Project",
    doc: "A project: what runs and tasks belong to.",
    fields: &[
        Field::required("id", FieldType::Id, "Identifier of the project."),
        Field::expected("name", FieldType::Str, "Name; need not be unique."),
        Field::optional("description", FieldType::Str, "What the project is about."),
        Field::expected("status", FieldType::Str, "State of the project, free text on the server.")
            .known(STATUSES),
        Field::optional(
            "tenant_id",
            FieldType::Id,
            "Tenant that owns the project; older servers do not send it.",
        ),
        Field::expected("created_at", FieldType::Timestamp, "When it was created."),
        Field::expected("updated_at", FieldType::Timestamp, "When it was last changed."),
        Field::optional(
            "prd_path",
            FieldType::Str,
            "Path of the product requirements document on the server.",
        ),
        Field::optional("task_count", FieldType::Int, "Number of tasks."),
        Field::optional("completed_task_count", FieldType::Int, "Number of tasks that are done."),
    ],
};

const PROJECT_ID: Param = Param::path("project_id", "Identifier of the project.");
const NAME: Param = Param::body("name", ParamType::Str, "Name of the project.");
const DESCRIPTION: Param =
    Param::body("description", ParamType::Str, "What the project is about.").optional();
const PRD_PATH: Param =
    Param::body("prd_path", ParamType::Str, "Path of the product requirements document on the server.")
        .optional()
        .keyword();

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "Projects",
    models: &[&PROJECT],
    operations: &[
        Operation::get("list_projects", "/api/projects", Returns::List(&PROJECT, &["projects"]))
            .doc(
                "Lists projects, newest first. A server may cap the list: v9.22 answers 50 at the most unless `limit` says \
                 otherwise, and does not say whether there are others; v5.51 answers all and ignores `limit` and `offset`. \
                 `iter_projects` gives all on either.",
            )
            .params(&[
                Param::query("status", ParamType::Str, "Only projects in this state.").keyword().known(STATUSES),
                Param::query("limit", ParamType::Int, "How many at most: 1 to 500.").keyword(),
                Param::query("offset", ParamType::Int, "How many to skip: 0 or more.").keyword(),
            ])
            .paged("iter_projects", 500),
        Operation::get("get_project", "/api/projects/{project_id}", Returns::Model(&PROJECT))
            .doc("Returns one project.")
            .params(&[PROJECT_ID]),
        Operation::post("create_project", "/api/projects", Returns::Model(&PROJECT))
            .answers(201)
            .doc("Creates a project and returns it. Names need not be unique.")
            .params(&[
                NAME,
                DESCRIPTION,
                Param::body(
                    "tenant_id",
                    ParamType::Id,
                    "Tenant that will own the project. Servers from 6.37.8 on refuse to create a project without it.",
                )
                .optional()
                .keyword(),
                PRD_PATH,
            ])
            .bridges(&[Bridge::TenantRequired]),
        Operation::put("update_project", "/api/projects/{project_id}", Returns::Model(&PROJECT))
            .doc("Changes the given fields of a project, leaves the others as they are, and returns the project.")
            .params(&[
                PROJECT_ID,
                NAME.optional().keyword(),
                DESCRIPTION.keyword(),
                PRD_PATH,
                Param::body("status", ParamType::Str, "New state of the project.").optional().keyword().known(STATUSES),
            ]),
        Operation::delete("delete_project", "/api/projects/{project_id}", Returns::Nothing)
            .doc("Deletes a project.")
            .params(&[PROJECT_ID]),
    ],
};
