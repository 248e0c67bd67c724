//! Bearer tokens, roles and scopes.

use axum::http::{HeaderMap, header};
use loki_mode_spec::{Method, Operation};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::answers::Failure;
use crate::profile::Profile;
use crate::store::keys;

/// The roles and the scopes that they stand for.
pub(crate) const ROLES: &[(&str, &[&str])] = &[
    ("admin", &["*"]),
    ("operator", &["control", "read", "write"]),
    ("viewer", &["read"]),
    ("auditor", &["read", "audit"]),
];

/// The scopes of a role.
pub(crate) fn role_scopes(role: &str) -> Option<&'static [&'static str]> {
    ROLES.iter().find(|(name, _)| *name == role).map(|(_, scopes)| *scopes)
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// Identifier of the key.
    pub(crate) key_id: String,
    /// Name of the key.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
}

impl Principal {
    fn has(&self, needed: &str) -> bool {
        self.scopes.iter().any(|scope| match scope.as_str() {
            "*" => true,
            "control" => matches!(needed, "control" | "write" | "read"),
            "write" => matches!(needed, "write" | "read"),
            scope => scope == needed,
        })
    }
}

/// What an operation needs.
pub(crate) fn required_scope(operation: &Operation) -> &'static str {
    let name = operation.name;
    match operation.method {
        Method::Get if name.ends_with("_audit") => "audit",
        Method::Get => "read",
        _ if name.ends_with("_api_key") => "admin",
        _ => "control",
    }
}

/// Which tenants a caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenants {
    /// All of them.
    All,
    /// One.
    Only(i64),
    /// None.
    None,
}

impl Tenants {
    /// Whether a thing of this tenant may be seen.
    pub(crate) fn includes(self, tenant: Option<i64>) -> bool {
        match self {
            Tenants::All => true,
            Tenants::Only(id) => tenant == Some(id),
            Tenants::None => false,
        }
    }
}

/// The tenants that a caller may see.
pub(crate) fn tenants(profile: Profile, principal: Option<&Principal>) -> Result<Tenants, Failure> {
    let Some(principal) = principal.filter(|principal| profile.isolates_tenants() && !principal.has("admin"))
    else {
        return Ok(Tenants::All);
    };
    let mut ids: Vec<i64> =
        principal.scopes.iter().filter_map(|scope| scope.strip_prefix("tenant:")?.parse().ok()).collect();
    ids.dedup();
    match ids[..] {
        [] => Ok(Tenants::None),
        [id] => Ok(Tenants::Only(id)),
        _ => Err(Failure::forbidden("Token carries conflicting tenant scopes")),
    }
}

/// The bearer token of a request; the scheme in any case.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Finds out who calls.
pub(crate) fn authenticate(connection: &Connection, headers: &HeaderMap) -> Result<Principal, Failure> {
    let token = bearer(headers).ok_or(Failure::Unauthorized("Authentication required"))?;
    keys::holder(connection, token)?.ok_or(Failure::Unauthorized("Invalid, expired, or revoked token"))
}

/// Whether the caller may do this.
pub(crate) fn authorize(
    profile: Profile,
    operation: &Operation,
    principal: &Principal,
) -> Result<(), Failure> {
    let needed = required_scope(operation);
    if !principal.has(needed) {
        return Err(Failure::forbidden(format!("Insufficient permissions. Required scope: {needed}")));
    }
    let tenant_lifecycle = operation.method != Method::Get && operation.name.ends_with("_tenant");
    if profile.isolates_tenants() && tenant_lifecycle && !principal.has("admin") {
        return Err(Failure::forbidden("Tenant lifecycle operations require global admin"));
    }
    Ok(())
}

/// Whether the caller may read.
pub(crate) fn may_read(connection: &Connection, headers: &HeaderMap) -> Result<(), Failure> {
    let principal = authenticate(connection, headers)?;
    if principal.has("read") {
        return Ok(());
    }
    Err(Failure::forbidden("Insufficient permissions. Required scope: read"))
}

/// A new token: `loki_` and 43 characters that are safe in URLs, from 32 random bytes.
pub(crate) fn new_token() -> Result<String, Failure> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = random::<32>()?;
    let mut token = String::from("loki_");
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * place)) & 63;
            token.push(char::from(ALPHABET[index as usize]));
        }
    }
    Ok(token)
}

/// A new salt.
pub(crate) fn new_salt() -> Result<String, Failure> {
    Ok(hex(&random::<16>()?))
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Internal(format!("random numbers: {error}")))?;
    Ok(bytes)
}

/// The salted hash under which a token is stored.
pub(crate) fn hash(token: &str, salt: &str) -> String {
    hex(&Sha256::new().chain_update(salt).chain_update(token).finalize())
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_look_like_real_ones_and_differ() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(one.len(), "loki_".len() + 43);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_ne!(one, other);
    }

    #[test]
    fn scopes_include_lesser_ones() {
        let may = |scopes: &[&str], needed| {
            let scopes = scopes.iter().map(ToString::to_string).collect();
            Principal { key_id: String::new(), name: String::new(), scopes }.has(needed)
        };
        assert!(may(&["*"], "admin") && may(&["control"], "read") && may(&["write"], "read"));
        assert!(!may(&["control"], "admin") && !may(&["control"], "audit") && !may(&["read"], "write"));
    }
}
