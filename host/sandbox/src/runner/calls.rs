//! What a runner's guest asks of its worker: checked by the bounds that hold in the sandbox itself, since the runner may
//! not have kept to them, and passed on to the attempt's services, which check its grants.

use super::words::{Answered, Called};
use crate::attempt::asked::{check_checkpoint, check_child, check_group};
use crate::attempt::services::{Refusal, Services};

/// The answer of the services.
pub(crate) async fn answer(services: &dyn Services, called: Called) -> Answered {
    match called {
        Called::Submit(job) => match check_child(&job) {
            Ok(()) => Answered::Submit(services.submit(*job).await),
            Err(refusal) => Answered::Submit(Err(refusal)),
        },
        Called::SubmitGroup(group) => match check_group(&group) {
            Ok(()) => Answered::SubmitGroup(services.submit_group(*group).await),
            Err(refusal) => Answered::SubmitGroup(Err(refusal)),
        },
        Called::Save(key, value) => match check_checkpoint(&key, value.len()) {
            Ok(()) => Answered::Save(services.save(key, value).await),
            Err(limit) => Answered::Save(Err(Refusal::Limit(limit.to_string()))),
        },
        Called::Load(key) => match check_checkpoint(&key, 0) {
            Ok(()) => Answered::Load(services.load(key).await),
            Err(limit) => Answered::Load(Err(Refusal::Limit(limit.to_string()))),
        },
        Called::Ask(ask) => Answered::Ask(services.ask(ask).await),
    }
}
