//! Programs: `wasi:cli/run`. The payload is standard input, standard output the result, standard error the log.

use crate::attempt::cell::Cell;
use crate::attempt::ending::{Fault, out_of_memory};
use crate::shape::{Call, text};
use lovage_job::outcome::{Failure, Outcome, Output, RetryHint};
use wasmtime::Store;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

/// Bytes of standard error that are quoted with a failure.
const TAIL_BYTES: usize = 2048;

pub(crate) async fn call(pre: &CommandPre<Cell>, store: &mut Store<Cell>, call: Call) -> Result<Outcome, Fault> {
    let program = pre.instantiate_async(&mut *store).await.map_err(Fault::Instantiate)?;
    let status = match program.wasi_cli_run().call_run(&mut *store).await {
        Ok(Ok(())) => 0,
        Ok(Err(())) => 1,
        Err(error) => match error.downcast_ref::<I32Exit>() {
            // Many programs end this way when all is well too.
            Some(I32Exit(status)) => *status,
            None => return Err(Fault::Call(error)),
        },
    };
    if status == 0 {
        let body = call.result.map(|pipe| pipe.take()).unwrap_or_default();
        return Ok(Outcome::Completed(Output { body, content_type: text::BYTES_TYPE.to_owned() }));
    }
    // A program that gets no memory mostly says so and exits; that it was its limit is what matters.
    if store.data().memory.denied() {
        return Ok(out_of_memory(store.data()));
    }
    let tail = store.data().journal.tail(TAIL_BYTES);
    let message = match tail.trim() {
        "" => format!("the program exited with status {status}"),
        tail => format!("the program exited with status {status}: {tail}"),
    };
    let details = serde_json::json!({ "status": status });
    Ok(Outcome::Failed(Failure { message, details: Some(details), retry: RetryHint::Retry }))
}
