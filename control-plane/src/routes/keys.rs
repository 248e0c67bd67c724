//! API keys.

use rusqlite::Connection;

use super::{Call, Handler};
use crate::answers::{Answer, Failure};
use crate::auth::{self, ROLES};
use crate::clock::{DAY, HOUR};
use crate::json::{self, Object};
use crate::store::keys::{self, Key, NewKey};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("list_api_keys", list),
    ("get_api_key", get),
    ("create_api_key", create),
    ("update_api_key", update),
    ("rotate_api_key", rotate),
    ("delete_api_key", delete),
];

fn describe<'a>(call: &Call<'_>, object: Object<'a>, key: &Key) -> Object<'a> {
    let time = call.profile.log_time();
    object
        .str("id", &key.id)
        .str("name", &key.name)
        .raw("scopes", &key.scopes)
        .opt_str("role", key.role.as_deref())
        .time("created_at", key.created_at, time)
        .opt_time("expires_at", key.expires_at, time)
        .opt_time("last_used", key.last_used, time)
        .bool("revoked", key.revoked)
        .opt_str("description", key.description.as_deref())
        .opt_raw("allowed_ips", key.allowed_ips.as_deref())
        .opt_int("rate_limit", key.rate_limit)
        .opt_str("rotating_from", key.rotating_from.as_deref())
        .opt_time("rotation_expires_at", key.rotation_expires_at, time)
        .int("usage_count", 0)
}

fn write(call: &Call<'_>, key: &Key) -> String {
    json::object(|object| describe(call, object, key))
}

fn leak<'a>(call: &Call<'_>, object: Object<'a>, key: &Key) -> Object<'a> {
    if call.profile.leaks_hashes() { object.str("hash", &key.hash).str("salt", &key.salt) } else { object }
}

fn find(connection: &Connection, identifier: &str) -> Result<Key, Failure> {
    keys::find(connection, identifier)?.ok_or_else(|| Failure::not_found("API key"))
}

fn list(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let keys = keys::list(connection)?;
    Ok(Answer::json(json::array(keys.iter().map(|key| write(call, key)))))
}

fn get(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let key = find(connection, call.inputs.required_text("identifier"))?;
    Ok(Answer::json(write(call, &key)))
}

/// The end of a period that begins now, if a calendar can hold it.
fn after(now: i64, count: i64, unit: i64) -> Result<i64, Failure> {
    /// The last microsecond of the year 9999.
    const LATEST: i64 = 253_402_300_799_999_999;
    count
        .checked_mul(unit)
        .and_then(|period| period.checked_add(now))
        .filter(|end| *end <= LATEST)
        .ok_or_else(|| Failure::bad_request("date value out of range"))
}

fn create(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let name = inputs.required_text("name");
    if name.trim().is_empty() {
        return Err(Failure::bad_request("Token name cannot be empty"));
    }
    if keys::name_taken(connection, name)? {
        return Err(Failure::bad_request(format!("Token with name '{name}' already exists")));
    }
    let given = inputs.list("scopes").filter(|scopes| !scopes.is_empty());
    let role = inputs.text("role");
    // A role beats scopes; with neither the profile's default role decides.
    let scopes = match (role, given) {
        (None, Some(scopes)) => json::strings(scopes),
        (None, None) => json::strings(auth::role_scopes(call.profile.default_role()).unwrap_or_default()),
        (Some(role), _) => {
            let scopes = auth::role_scopes(role).ok_or_else(|| {
                let roles: Vec<_> = ROLES.iter().map(|(name, _)| *name).collect();
                Failure::bad_request(format!("Unknown role '{role}'. Valid roles: {}", roles.join(", ")))
            })?;
            json::strings(scopes)
        }
    };
    let role =
        role.or_else(|| (call.profile.is_guide() && given.is_none()).then(|| call.profile.default_role()));
    let expires_at = inputs.int("expires_days").map(|days| after(call.now, days, DAY)).transpose()?;
    let allowed_ips = inputs.list("allowed_ips").map(json::strings);
    let new = NewKey {
        name,
        scopes: &scopes,
        role,
        expires_at,
        description: inputs.text("description"),
        allowed_ips: allowed_ips.as_deref(),
        rate_limit: inputs.int("rate_limit"),
        rotating_from: None,
    };
    let token = auth::new_token()?;
    let key = keys::create(connection, &token, &new, call.now)?;
    let time = call.profile.log_time();
    let body = json::object(|object| {
        let mut object = leak(call, object.str("id", &key.id).str("name", &key.name), &key)
            .raw("scopes", &key.scopes)
            .time("created_at", key.created_at, time)
            .opt_time("expires_at", key.expires_at, time)
            .null("last_used")
            .bool("revoked", false);
        if let Some(role) = &key.role {
            object = object.str("role", role);
        }
        object.str("token", &token)
    });
    Ok(Answer::json(body).about(key.id))
}

fn update(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let inputs = call.inputs;
    let key = find(connection, inputs.required_text("identifier"))?;
    let allowed_ips = inputs.list("allowed_ips").map(json::strings);
    keys::update(
        connection,
        &key.id,
        inputs.text("description"),
        allowed_ips.as_deref(),
        inputs.int("rate_limit"),
    )?;
    Ok(Answer::json(write(call, &find(connection, &key.id)?)))
}

/// Replaces a key by a new one of its name. The old one works until the grace period ends, in every profile: real servers
/// promise that end and never enforce it, which is no behaviour to develop against.
fn rotate(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let identifier = call.inputs.required_text("identifier");
    let old = match keys::find(connection, identifier)? {
        Some(key) => key,
        None if call.profile.rotation_of_unknown_key_is_bad_request() => {
            return Err(Failure::bad_request(format!("Key not found: {identifier}")));
        }
        None => return Err(Failure::not_found("API key")),
    };
    if old.revoked {
        return Err(Failure::bad_request("Cannot rotate a revoked key"));
    }
    if old.rotation_expires_at.is_some() {
        return Err(Failure::bad_request("Key is already in rotation"));
    }
    let until = after(call.now, call.inputs.int("grace_period_hours").unwrap_or(24), HOUR)?;
    keys::retire(connection, &old, until)?;
    let new = NewKey {
        name: &old.name,
        scopes: &old.scopes,
        role: old.role.as_deref(),
        expires_at: old.expires_at.filter(|_| call.profile.rotation_keeps_expiry()),
        description: old.description.as_deref(),
        allowed_ips: old.allowed_ips.as_deref(),
        rate_limit: old.rate_limit,
        rotating_from: Some(&old.id),
    };
    let token = auth::new_token()?;
    let key = keys::create(connection, &token, &new, call.now)?;
    let new_key = json::object(|object| leak(call, describe(call, object, &key), &key));
    Ok(Answer::json(json::object(|object| {
        object
            .raw("new_key", &new_key)
            .str("old_key_id", &old.id)
            .time("old_key_rotation_expires_at", until, call.profile.log_time())
            .str("token", &token)
    })))
}

fn delete(call: &Call<'_>, connection: &Connection) -> Result<Answer, Failure> {
    let key = find(connection, call.inputs.required_text("identifier"))?;
    keys::delete(connection, &key.id)?;
    Ok(Answer::nothing())
}
