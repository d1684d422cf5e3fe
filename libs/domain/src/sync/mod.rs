//! What is written to a CRM record about an envelope, and when (crm.md §6).
