//! What an observation means: the rules of lifecycle.md §5.3 and §5.4.
