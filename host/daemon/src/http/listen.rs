//! Where the server may listen: what leaves this machine needs tokens, and a secured line.

use std::net::SocketAddr;

/// What is known before anything is started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) listen: SocketAddr,
    pub(super) open: bool,
    pub(super) tls: bool,
    pub(super) behind_proxy: bool,
}

/// Why the server does not listen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Whoever reaches it could do everything.
    #[error(
        "{0} can be reached from other machines, and `lovage dev` asks nobody for a token; give --http an address of \
         127.0.0.1, or use `lovage serve`"
    )]
    Open(SocketAddr),
    /// Tokens would go over the network as they are.
    #[error(
        "{0} can be reached from other machines, and tokens would go there unencrypted; give --tls-cert and --tls-key, \
         or --behind-proxy where a proxy ends TLS"
    )]
    Plain(SocketAddr),
    /// Nobody could do anything.
    #[error("{0} can be reached from other machines, and there is no token yet; make one with `lovage token add`")]
    NoToken(SocketAddr),
}

/// Refuses what must not be started.
pub(super) fn check(wish: Wish) -> Result<(), ListenError> {
    let Wish { listen, open, tls, behind_proxy } = wish;
    match (listen.ip().is_loopback(), open) {
        (true, _) => Ok(()),
        (false, true) => Err(ListenError::Open(listen)),
        (false, false) if !tls && !behind_proxy => Err(ListenError::Plain(listen)),
        (false, false) => Ok(()),
    }
}

/// Refuses it without tokens.
pub(super) fn check_tokens(wish: Wish, has_tokens: bool) -> Result<(), ListenError> {
    match wish.listen.ip().is_loopback() || has_tokens {
        true => Ok(()),
        false => Err(ListenError::NoToken(wish.listen)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_this_machine_needs_tokens_and_tls() {
        let wish =
            |listen: &str, open, tls, behind_proxy| Wish { listen: listen.parse().unwrap(), open, tls, behind_proxy };
        for listen in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:7710"] {
            for open in [true, false] {
                assert_eq!(check(wish(listen, open, false, false)), Ok(()));
            }
            assert_eq!(check_tokens(wish(listen, false, false, false), false), Ok(()));
        }
        // an address of IPv4 in one of IPv6 is not looked through: it is taken for one that leaves
        for listen in ["0.0.0.0:7710", "[::]:7710", "10.0.0.1:80", "[::ffff:127.0.0.1]:80"] {
            let address = listen.parse().unwrap();
            assert_eq!(check(wish(listen, true, true, true)), Err(ListenError::Open(address)));
            assert_eq!(check(wish(listen, false, false, false)), Err(ListenError::Plain(address)));
            assert_eq!(check(wish(listen, false, true, false)), Ok(()));
            assert_eq!(check(wish(listen, false, false, true)), Ok(()));
            assert_eq!(check_tokens(wish(listen, false, true, false), false), Err(ListenError::NoToken(address)));
            assert_eq!(check_tokens(wish(listen, false, true, false), true), Ok(()));
        }
    }
}
