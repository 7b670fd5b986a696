"""What people open in a browser, Studio's apps and notebook instances: URLs, sessions, HTTP and WebSockets."""
