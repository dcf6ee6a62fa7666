/* café: neither UTF-8 nor declared */
int main(void) { return 0; }
