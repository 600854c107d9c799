//! The keys that sign links, from Secrets Manager.
//!
//! A secret that is replaced signs what is sent from then on; the one before it (the stage `AWSPREVIOUS`) still opens
//! what was sent. So a secret may be replaced once within the life of the links that it has signed.

use aws_sdk_secretsmanager::Client;
use kairos_engine::bounds::{LINK_KEY_ASKED_AGAIN_AFTER, LINK_KEY_REFRESH};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use kairos_protocol::signed_links::{LinkKey, Purpose, Refusal};

use crate::on_first_use::OnFirstUse;
use crate::secrets::Secret;

/// The present key and the one before it, asked for when first needed.
#[derive(Debug)]
pub struct LinkKeys {
    current: Secret<LinkKey>,
    previous: Secret<Option<LinkKey>>,
}

/// Why a token gave no bytes.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// It is not one of ours.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody can say now: the keys could not be read.
    #[error(transparent)]
    Unknown(#[from] Fault),
}

impl LinkKeys {
    /// The keys of the secret with this ARN.
    pub fn new(client: impl Into<OnFirstUse<Client>>, secret_id: String) -> Self {
        let client = client.into();
        Self {
            current: Secret::new(client.clone(), secret_id.clone(), LINK_KEY_REFRESH, LinkKey::parse),
            previous: Secret::previous(client, secret_id, LINK_KEY_REFRESH, |key| LinkKey::parse(key).map(Some), None),
        }
    }

    /// The key to sign with now.
    ///
    /// # Errors
    /// When none is known, and Secrets Manager fails or gives one that cannot be used.
    pub async fn current(&self, now: Timestamp) -> Result<LinkKey, Fault> {
        self.current.current(now).await
    }

    /// The bytes that a token of this purpose carries. Only for one that the key in use has not signed, the newest one and
    /// the one before are asked for, now and then: what is forged costs no call.
    ///
    /// # Errors
    /// When it is not ours, or nobody can say now.
    pub async fn open(&self, purpose: Purpose, token: &str, now: Timestamp) -> Result<Vec<u8>, NotOpened> {
        match self.current.current(now).await?.open(purpose, token) {
            Err(Refusal::Forged) => {}
            opened => return Ok(opened?),
        }
        let newest = self.current.not_older_than(LINK_KEY_ASKED_AGAIN_AFTER, now).await?;
        let previous = self.previous.not_older_than(LINK_KEY_ASKED_AGAIN_AFTER, now).await?;
        match (newest.open(purpose, token), previous) {
            (Err(Refusal::Forged), Some(previous)) => Ok(previous.open(purpose, token)?),
            (opened, _) => Ok(opened?),
        }
    }
}
