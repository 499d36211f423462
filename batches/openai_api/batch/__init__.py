"""`/v1/batches`: what a program asks for, the object that it is answered with, and the files that a batch writes."""
