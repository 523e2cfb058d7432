//! What changes something. Each function checks the caller's role, does it, and notes it in the audit trail.
