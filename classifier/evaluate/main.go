package main
import ("bufio";"context";"encoding/json";"fmt";"os";"hark/classifier";"hark/classifier/builtin")
func main(){ c,err:=builtin.New(builtin.Options{}); if err!=nil{fmt.Println(err);os.Exit(1)}
 sc:=bufio.NewScanner(os.Stdin); for sc.Scan(){ r:=c.Classify(context.Background(), classifier.Input{Text:sc.Text()}); b,_:=json.Marshal(r); fmt.Println(string(b))}}
