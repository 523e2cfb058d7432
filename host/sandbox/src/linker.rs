//! What a guest may import, and nothing else.
//!
//! One linker serves every shape: a component gets only what it names. WASI is there in full because tool chains
//! import it in full, but with an empty environment, no folder but the scratch folder where that is granted, and every
//! socket and outgoing request refused. Files of the host are not linked at all.

use crate::attempt::cell::{Asking, Cell};
use crate::attempt::event::LogLevel;
use crate::bindings::{Task, job_context, types};
use crate::capability::{self, scratch};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::{cli, random, sockets};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

/// Everything a guest can import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Cell>> {
    let mut linker = Linker::new(engine);
    // Streams, polling, clocks, randomness and the standard streams.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    add_program_interfaces(&mut linker)?;
    add_sockets(&mut linker)?;
    scratch::add_to_linker(&mut linker, Cell::scratch)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Task::add_to_linker::<Cell, HasSelf<Cell>>(&mut linker, |cell| cell)?;
    capability::init(&mut linker)?;
    Ok(linker)
}

/// The rest of what programs import.
fn add_program_interfaces(linker: &mut Linker<Cell>) -> wasmtime::Result<()> {
    random::insecure::add_to_linker::<Cell, WasiRandom>(linker, |cell| cell.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<Cell, WasiRandom>(linker, |cell| cell.ctx().ctx.random())?;
    cli::exit::add_to_linker::<Cell, WasiCli>(linker, Cell::cli)?;
    cli::environment::add_to_linker::<Cell, WasiCli>(linker, Cell::cli)?;
    cli::terminal_input::add_to_linker::<Cell, WasiCli>(linker, Cell::cli)?;
    cli::terminal_output::add_to_linker::<Cell, WasiCli>(linker, Cell::cli)?;
    cli::terminal_stdin::add_to_linker::<Cell, WasiCli>(linker, Cell::cli)?;
    cli::terminal_stdout::add_to_linker::<Cell, WasiCli>(linker, Cell::cli)?;
    cli::terminal_stderr::add_to_linker::<Cell, WasiCli>(linker, Cell::cli)
}

/// Sockets, which are there to be refused.
fn add_sockets(linker: &mut Linker<Cell>) -> wasmtime::Result<()> {
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<Cell, WasiSockets>(linker, &options, Cell::sockets)?;
    sockets::instance_network::add_to_linker::<Cell, WasiSockets>(linker, Cell::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<Cell, WasiSockets>(linker, Cell::sockets)?;
    sockets::tcp::add_to_linker::<Cell, WasiSockets>(linker, Cell::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<Cell, WasiSockets>(linker, Cell::sockets)?;
    sockets::udp::add_to_linker::<Cell, WasiSockets>(linker, Cell::sockets)?;
    sockets::udp_create_socket::add_to_linker::<Cell, WasiSockets>(linker, Cell::sockets)
}

/// An interface of types alone.
impl types::Host for Cell {}

impl job_context::Host for Cell {
    fn progress(&mut self, fraction: Option<f64>, message: String) -> wasmtime::Result<()> {
        self.journal.progress(fraction, &message);
        Ok(())
    }

    fn log(&mut self, level: job_context::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            job_context::Level::Trace => LogLevel::Trace,
            job_context::Level::Debug => LogLevel::Debug,
            job_context::Level::Info => LogLevel::Info,
            job_context::Level::Warn => LogLevel::Warn,
            job_context::Level::Error => LogLevel::Error,
        };
        self.journal.line(level, &message);
        Ok(())
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(matches!(self.asks_to_stop(), Some(Asking::Cancelled(_) | Asking::SoftTimeout)))
    }

    fn stop_reason(&mut self) -> wasmtime::Result<Option<job_context::Stop>> {
        Ok(self.asks_to_stop().map(|asking| match asking {
            Asking::Cancelled(reason) => job_context::Stop::Cancelled(reason),
            Asking::SoftTimeout => job_context::Stop::SoftTimeout,
            Asking::Shutdown => job_context::Stop::Shutdown,
        }))
    }
}
