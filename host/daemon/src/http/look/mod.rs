//! What reads something. Each function checks the caller's role and gives a view that can be sent as JSON or shown.
