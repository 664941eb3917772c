//! Bodies that a registry answers with, and those that it is sent.

use serde::{Serialize, de::DeserializeOwned};

use crate::wire::{
    json::check_json,
    registry::{
        AgentLookup, BulkRevocationRequest, BulkRevocationResponse, ErrorBody, LegacyCertificate,
        OrgRegisterResponse, OrganizationLookup, PrekeyResponse, PrekeyUpload, RegisterRequest,
        RegisterResponse, ReputationScore, Revocation, RevocationList, RevocationStatus,
        RevokeRequest, SearchResponse,
    },
};

/// What was read is written, and read again as the same.
fn read<T: Serialize + DeserializeOwned>(data: &[u8]) {
    let Ok(first) = serde_json::from_slice::<T>(data) else { return };
    let Ok(written) = serde_json::to_vec(&first) else { return };
    let second = serde_json::from_slice::<T>(&written);
    let again = second.ok().and_then(|body| serde_json::to_vec(&body).ok());
    assert_eq!(again.as_ref(), Some(&written), "{}", String::from_utf8_lossy(&written));
}

pub(super) fn bodies(data: &[u8]) {
    read::<AgentLookup>(data);
    read::<SearchResponse>(data);
    read::<RegisterRequest>(data);
    read::<RegisterResponse>(data);
    read::<PrekeyResponse>(data);
    read::<PrekeyUpload>(data);
    read::<RevokeRequest>(data);
    read::<Revocation>(data);
    read::<RevocationStatus>(data);
    read::<RevocationList>(data);
    read::<BulkRevocationRequest>(data);
    read::<BulkRevocationResponse>(data);
    read::<OrgRegisterResponse>(data);
    read::<OrganizationLookup>(data);
    read::<ReputationScore>(data);
    read::<ErrorBody>(data);
    let Some(text) = super::text(data) else { return };
    let _ = LegacyCertificate::parse(text);
    let _ = check_json(text);
}
