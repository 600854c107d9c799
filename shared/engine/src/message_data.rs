//! What a message can show of a user.

use crate::bounds::VIEWED_MAX;
use crate::mailbox::{DeviceData, MessageData, PersonData};
use crate::playbook::ContextFact;
use crate::state::{Subject, UserState};

impl MessageData {
    /// What templates can show of a user as they are now, in a play that is about `subject`.
    pub fn of(state: &UserState, subject: &Subject) -> Self {
        let fact = |fact: ContextFact| state.facts.get(&fact).cloned();
        Self {
            user: PersonData {
                id: state.user_id.clone().map(Into::into),
                first_name: state.profile.first_name.clone(),
                last_name: state.profile.last_name.clone(),
            },
            cart: state.cart.data(),
            product: subject.product.clone(),
            product_was: subject.product_was,
            viewed: state.viewed.iter().rev().take(VIEWED_MAX).cloned().collect(),
            event: subject.event.clone(),
            place: subject.place.clone(),
            position: state.position,
            device: DeviceData { kind: fact(ContextFact::Device), os: fact(ContextFact::Os) },
            time_zone: state.time_zone.clone(),
            bought: state.bought.clone(),
        }
    }
}
