package apikeys

// Add is for the tests that use a Document, which knows this package.
var Add = add
