//! API keys.

use crate::Chapter;
use crate::known::Known;
use crate::operation::{Bridge, Field, FieldType, Model, Operation, Param, ParamType, Returns};

const ROLES: &Known = &Known::new("Role", &["admin", "operator", "viewer", "auditor"]);

pub(crate) const API_KEY: Model = Model {
    name: "ApiKey",
    doc: "An API key without its token.",
    fields: &[
        Field::required(
            "id",
            FieldType::Str,
            "Identifier of the key; stable, while names change on rotation.",
        ),
        Field::expected("name", FieldType::Str, "Name of the key."),
        Field::expected("scopes", FieldType::StrList, "What the key allows; `*` is everything."),
        Field::optional("role", FieldType::Str, "Role that the scopes come from.").known(ROLES),
        Field::expected("created_at", FieldType::Timestamp, "When it was created."),
        Field::optional("expires_at", FieldType::Timestamp, "When it stops working; none if never."),
        Field::optional("last_used", FieldType::Timestamp, "When it was last used."),
        Field::optional("revoked", FieldType::Bool, "Whether it was revoked."),
        Field::optional("description", FieldType::Str, "What the key is for."),
        Field::optional(
            "allowed_ips",
            FieldType::StrList,
            "Addresses it may be used from; real servers do not enforce it.",
        ),
        Field::optional("rate_limit", FieldType::Int, "Requests per minute; real servers do not enforce it."),
        Field::optional("rotating_from", FieldType::Str, "Identifier of the key that this one replaces."),
        Field::optional("rotation_expires_at", FieldType::Timestamp, "When the replaced key stops working."),
        Field::optional("usage_count", FieldType::Int, "How often it was used; real servers do not count."),
    ],
};

pub(crate) const CREATED_API_KEY: Model = Model {
    name: "CreatedApiKey",
    doc: "A new API key with its token. The token is returned this once: store it before anything else can fail.",
    fields: &[
        Field::required("token", FieldType::Str, "The token, to be sent as bearer token.").secret(),
        Field::required("id", FieldType::Str, "Identifier of the key."),
        Field::expected("name", FieldType::Str, "Name of the key."),
        Field::expected("scopes", FieldType::StrList, "What the key allows."),
        Field::optional("role", FieldType::Str, "Role that the scopes come from.").known(ROLES),
        Field::expected("created_at", FieldType::Timestamp, "When it was created."),
        Field::optional("expires_at", FieldType::Timestamp, "When it stops working; none if never."),
        Field::optional("last_used", FieldType::Timestamp, "When it was last used."),
        Field::optional("revoked", FieldType::Bool, "Whether it was revoked."),
        Field::optional("hash", FieldType::Str, "Salted hash of the token, which real servers leak here.")
            .secret(),
        Field::optional("salt", FieldType::Str, "Salt of that hash.").secret(),
    ],
};

pub(crate) const ROTATED_API_KEY: Model = Model {
    name: "RotatedApiKey",
    doc: "The outcome of a rotation. The new token is returned this once: store it before anything else can fail.",
    fields: &[
        Field::required("token", FieldType::Str, "The new token, to be sent as bearer token.").secret(),
        Field::optional("new_key", FieldType::Object, "The new key."),
        Field::optional(
            "old_key_id",
            FieldType::Str,
            "Identifier of the replaced key, for `delete_api_key`.",
        ),
        Field::optional(
            "old_key_rotation_expires_at",
            FieldType::Timestamp,
            "When the grace period of the replaced key ends. Real servers do not enforce it: delete the old key.",
        ),
    ],
};

const IDENTIFIER: Param =
    Param::path("identifier", "Identifier or name of the key; the identifier is the safer choice.");
const DESCRIPTION: Param =
    Param::body("description", ParamType::Str, "What the key is for.").optional().keyword();
const ALLOWED_IPS: Param = Param::body(
    "allowed_ips",
    ParamType::StrList,
    "Addresses it may be used from; real servers do not enforce it.",
)
.optional()
.keyword();
const RATE_LIMIT: Param =
    Param::body("rate_limit", ParamType::Int, "Requests per minute; real servers do not enforce it.")
        .optional()
        .keyword();

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "API keys",
    models: &[&API_KEY, &CREATED_API_KEY, &ROTATED_API_KEY],
    operations: &[
        Operation::get("list_api_keys", "/api/keys", Returns::List(&API_KEY, &["keys", "api_keys"]))
            .v2("/api/v2/api-keys")
            .doc("Lists API keys, without tokens and without revoked keys."),
        Operation::get("get_api_key", "/api/keys/{identifier}", Returns::Model(&API_KEY))
            .v2("/api/v2/api-keys/{identifier}")
            .doc("Returns one API key, without its token.")
            .params(&[IDENTIFIER]),
        Operation::post("create_api_key", "/api/keys", Returns::Record(&CREATED_API_KEY))
            .answers(201)
            .v2("/api/v2/api-keys")
            .doc(
                "Creates an API key and returns it with its token. This is the only time the token is returned: store it \
                 securely. A role is always sent, since real servers make an admin key when it is missing.",
            )
            .params(&[
                Param::body("name", ParamType::Str, "Name of the key; unique, and best without `/`."),
                Param::body("role", ParamType::Str, "Role of the key.")
                    .default_str("viewer")
                    .known(ROLES)
                    .replaced_by("scopes"),
                Param::body(
                    "scopes",
                    ParamType::StrList,
                    "Scopes of the key, instead of a role. `tenant:1` among them binds it to a tenant; v9.22 shows no \
                     projects and no runs to a key that is neither bound nor an admin's.",
                )
                .optional()
                .keyword(),
                Param::body("expires_days", ParamType::Int, "Days until it stops working; never, unless given.")
                    .optional()
                    .keyword(),
                DESCRIPTION,
                ALLOWED_IPS,
                RATE_LIMIT,
            ]),
        Operation::put("update_api_key", "/api/keys/{identifier}", Returns::Model(&API_KEY))
            .v2("/api/v2/api-keys/{identifier}")
            .doc("Changes the given fields of an API key, leaves the others as they are, and returns the key.")
            .params(&[IDENTIFIER, DESCRIPTION, ALLOWED_IPS, RATE_LIMIT]),
        Operation::post("rotate_api_key", "/api/keys/{identifier}/rotate", Returns::Record(&ROTATED_API_KEY))
            .v2("/api/v2/api-keys/{identifier}/rotate")
            .doc(
                "Replaces an API key by a new one of the same name and returns the new token. This is the only time the token \
                 is returned. The old token keeps working for `grace_period_hours`. Real servers never end that period and \
                 do not carry an expiry date over: `delete_api_key(old_key_id)` ends the old key.",
            )
            .params(&[
                IDENTIFIER,
                Param::body("grace_period_hours", ParamType::Int, "Hours for which the old token keeps working: 0 or more.")
                    .default_int(24),
            ])
            .bridges(&[Bridge::KeyNotFoundAs400]),
        Operation::delete("delete_api_key", "/api/keys/{identifier}", Returns::Nothing)
            .v2("/api/v2/api-keys/{identifier}")
            .doc("Deletes an API key; its token stops working at once.")
            .params(&[IDENTIFIER]),
    ],
};
